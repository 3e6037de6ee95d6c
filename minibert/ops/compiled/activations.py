"""exp, GELU and tanh of sixteen numbers: polynomials of our own, since LLVM has none that is a vector.

Their coefficients come from benchmarks/fit_polynomials.py, and their errors are held by tests/test_kernels.py. NaN and infinity stay what
they are, so that the caller can find them.
"""

import numpy as np

from ...runtime.jit import inlined
from .simd import MAGIC, Integer, Vector, fma, maximum, minimum, splat, times_power_of_two, zero_below

f32 = np.float32
ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)
NO_ACTIVATION, ERF, TANH, POOL = map(np.int64, range(4))

LOG2_E, LN_2 = f32(1.4426950408889634), f32(0.6931471805599453)
EXP_LEAST, EXP_MOST = f32(-87.33654), f32(88.37626)  # e^x is less than the least normal float32; more than the greatest
EXP_2, EXP_3, EXP_4, EXP_5, EXP_6 = f32(0.499999934), f32(0.166665201), f32(0.0416683942), f32(0.00836878049), f32(0.0013814467)


@inlined
def exp(x: Vector) -> Vector:
    """e^x for x up to 88.3, 0 below -87.3.

    x = n ln 2 + r, so e^x = 2^n e^r; and e^r = 1 + r + r^2 P(r) for |r| <= ln 2 / 2.
    """
    rounded = fma(x, splat(LOG2_E), splat(MAGIC))
    r = fma(rounded - splat(MAGIC), splat(-LN_2), x)
    p = fma(splat(EXP_6), r, splat(EXP_5))
    p = fma(p, r, splat(EXP_4))
    p = fma(p, r, splat(EXP_3))
    p = fma(p, r, splat(EXP_2))
    p = fma(p, r, splat(ONE))
    p = fma(p, r, splat(ONE))
    return zero_below(x, splat(EXP_LEAST), times_power_of_two(p, rounded))


# Φ(x) = 1/2 + x Q(t), t = 2 (x / 5.25)^2 - 1 in -1..1, where a power series of 14 terms does not lose digits
GELU_EDGE = f32(5.25)  # beyond it Φ is 0 or 1 to float32
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
    """GELU, x Φ(x). Absolute error 5e-7 for |x| < 5.25, as the reference's; a division and an exp less than through tanh."""
    inside = maximum(splat(-GELU_EDGE), minimum(splat(GELU_EDGE), x))
    t = fma(inside * splat(TO_T), inside, splat(-ONE))
    square = t * t  # even and odd powers by turns, so that one chain works while the other waits
    even = fma(splat(Q12), square, splat(Q10))
    odd = fma(splat(Q13), square, splat(Q11))
    even = fma(even, square, splat(Q8))
    odd = fma(odd, square, splat(Q9))
    even = fma(even, square, splat(Q6))
    odd = fma(odd, square, splat(Q7))
    even = fma(even, square, splat(Q4))
    odd = fma(odd, square, splat(Q5))
    even = fma(even, square, splat(Q2))
    odd = fma(odd, square, splat(Q3))
    even = fma(even, square, splat(Q0))
    odd = fma(odd, square, splat(Q1))
    return x * zero_below(x, splat(-GELU_EDGE), fma(inside, fma(odd, t, even), splat(HALF)))


TANH_1, TANH_3 = f32(-2 * 0.7978845608028654), f32(-2 * 0.035677408136300125)  # -2 sqrt(2/π) (1 + 0.044715 x²)


TANH_EDGE = f32(1e4)  # below its negative, GELU is 0: to float32 it is so from -11 on


@inlined
def gelu_tanh(x: Vector) -> Vector:
    """GELU in the tanh form: x (1 + tanh(u)) / 2 = x / (1 + e^(-2u)), with u = sqrt(2/π) (x + 0.044715 x^3).

    The quotient would be 1 for x = -e^88, since the divisor cannot be more. Infinity times 0 is NaN, so no infinity becomes 0.
    """
    minus_2u = x * fma(x * x, splat(TANH_3), splat(TANH_1))
    gelu = x / (splat(ONE) + exp(minimum(splat(EXP_MOST), minus_2u)))
    return fma(x, splat(ZERO), zero_below(x, splat(-TANH_EDGE), gelu))


@inlined
def tanh(x: Vector) -> Vector:
    """1 - 2 / (e^(2x) + 1); NaN for infinity, which is an overflow and may have the wrong sign."""
    return fma(x, splat(ZERO), splat(ONE) - splat(TWO) / (exp(minimum(splat(EXP_MOST), x + x)) + splat(ONE)))


@inlined
def activated(x: Vector, activation: Integer) -> Vector:
    """What follows a product."""
    if activation == ERF:
        return gelu_erf(x)
    if activation == TANH:
        return gelu_tanh(x)
    if activation == POOL:
        return tanh(x)
    return x
