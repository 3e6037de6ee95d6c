"""exp, GELU and tanh of sixteen numbers, as polynomials: LLVM has no vector versions of them.

benchmarks/fit_polynomials.py computes the coefficients, and tests/ops/test_activations.py bounds
the errors. GELU and tanh of NaN or infinity are not finite, so that the caller can find them.
"""

import numpy as np

from ...runtime.jit import inlined
from .layout import ERF, POOL, TANH, Integer
from .simd import MAGIC, Vector, broadcast, fma, maximum, minimum, times_power_of_two, zero_below

f32 = np.float32
ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)

LOG2_E, LN_2 = f32(1.4426950408889634), f32(0.6931471805599453)
EXP_LEAST, EXP_MOST = f32(-87.33654), f32(88.37626)  # outside, e^x is no normal float32
EXP_2, EXP_3, EXP_4, EXP_5, EXP_6 = f32(0.499999934), f32(0.166665201), f32(0.0416683942), f32(0.00836878049), f32(0.0013814467)


@inlined
def exp(x: Vector) -> Vector:
    """e^x for x up to 88.3, 0 below -87.3.

    x = n ln 2 + r, so e^x = 2^n e^r; and e^r = 1 + r + r^2 P(r) for |r| <= ln 2 / 2.
    """
    rounded = fma(x, broadcast(LOG2_E), broadcast(MAGIC))
    r = fma(rounded - broadcast(MAGIC), broadcast(-LN_2), x)
    p = fma(broadcast(EXP_6), r, broadcast(EXP_5))
    p = fma(p, r, broadcast(EXP_4))
    p = fma(p, r, broadcast(EXP_3))
    p = fma(p, r, broadcast(EXP_2))
    p = fma(p, r, broadcast(ONE))
    p = fma(p, r, broadcast(ONE))
    return zero_below(x, broadcast(EXP_LEAST), times_power_of_two(p, rounded))


# Φ(x) = 1/2 + x Q(t) with t = 2 (x / 5.25)^2 - 1. In -1..1, a power series of 14 terms loses no
# digits.
GELU_EDGE = f32(5.25)  # beyond it, Φ is 0 or 1 in float32
TO_T = f32(2 / 5.25**2)
Q = tuple(
    f32(coefficient)
    for coefficient in (
        0.13465935, -0.067126593, 0.049645194, -0.0397712192, 0.0320452617, -0.0249654218, 0.0184254334, -0.0130905175,
        0.00883971446, -0.00482706452, 0.00211210853, -0.00161968737, 0.00136216549, -0.00045064947,
    )
)  # fmt: skip
Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q9, Q10, Q11, Q12, Q13 = Q


@inlined
def gelu_erf(x: Vector) -> Vector:
    """GELU, x Φ(x). The absolute error is 5e-7 for |x| < 5.25, as in NumPy.

    It needs no division and no exp.

    Even and odd powers are two chains, so that one computes while the other waits.
    """
    inside = maximum(broadcast(-GELU_EDGE), minimum(broadcast(GELU_EDGE), x))
    t = fma(inside * broadcast(TO_T), inside, broadcast(-ONE))
    square = t * t
    even = fma(broadcast(Q12), square, broadcast(Q10))
    odd = fma(broadcast(Q13), square, broadcast(Q11))
    even = fma(even, square, broadcast(Q8))
    odd = fma(odd, square, broadcast(Q9))
    even = fma(even, square, broadcast(Q6))
    odd = fma(odd, square, broadcast(Q7))
    even = fma(even, square, broadcast(Q4))
    odd = fma(odd, square, broadcast(Q5))
    even = fma(even, square, broadcast(Q2))
    odd = fma(odd, square, broadcast(Q3))
    even = fma(even, square, broadcast(Q0))
    odd = fma(odd, square, broadcast(Q1))
    return x * zero_below(x, broadcast(-GELU_EDGE), fma(inside, fma(odd, t, even), broadcast(HALF)))


TANH_1, TANH_3 = f32(-2 * 0.7978845608028654), f32(-2 * 0.035677408136300125)  # -2 sqrt(2/π) (1 + 0.044715 x²)
TANH_EDGE = f32(1e4)  # below its negative, the result is set to 0; in float32 GELU is 0 from -11 on


@inlined
def gelu_tanh(x: Vector) -> Vector:
    """GELU in the tanh form: x (1 + tanh(u)) / 2 = x / (1 + e^(-2u)).

    u = sqrt(2/π) (x + 0.044715 x^3)

    The divisor cannot be more than e^88, so for x = -e^88 the quotient alone would be -1. Infinity
    times 0 is NaN, so infinity does not become 0.
    """
    minus_2u = x * fma(x * x, broadcast(TANH_3), broadcast(TANH_1))
    gelu = x / (broadcast(ONE) + exp(minimum(broadcast(EXP_MOST), minus_2u)))
    return fma(x, broadcast(ZERO), zero_below(x, broadcast(-TANH_EDGE), gelu))


@inlined
def tanh(x: Vector) -> Vector:
    """1 - 2 / (e^(2x) + 1). NaN for infinity, which is an overflow and may have the wrong sign."""
    return fma(x, broadcast(ZERO), broadcast(ONE) - broadcast(TWO) / (exp(minimum(broadcast(EXP_MOST), x + x)) + broadcast(ONE)))


@inlined
def activated(x: Vector, activation: Integer) -> Vector:
    """The activation with this number. Other numbers mean none."""
    if activation == ERF:
        return gelu_erf(x)
    if activation == TANH:
        return gelu_tanh(x)
    if activation == POOL:
        return tanh(x)
    return x
