"""Fit the polynomials of minibert/ops: P of numpy_ops.py, Q and E of compiled/activations.py.

    python -m benchmarks.fit_polynomials

    P    Φ(x) = (1 + tanh(x P(x²))) / 2
         so  x P(x²) = artanh(erf(x / sqrt(2))) = log((2 - c) / c) / 2,  c = erfc(x / sqrt(2))
    Q    Φ(x) = 1/2 + x Q(t),  t = 2 (x / 5.25)² - 1
    E    e^r = 1 + r + r² E(r)  for |r| <= ln 2 / 2

All are fitted by iteratively reweighted least squares (Lawson). The fit minimises the greatest
error of the function that uses the polynomial.

With an odd number of terms the last coefficient of P is positive. The series then grows with x, and
tanh saturates where Φ does. Seven is the smallest number whose error is that of float32 itself.
A polynomial in x² in place of Q would have terms of hundreds that cancel each other. t lies in
-1..1, and no coefficient in t is above 0.14.
"""

import math

import numpy as np

EDGE = 5.25  # from here 1 - Φ is less than half a unit in the last place of 1


def lawson(basis: np.ndarray, target: np.ndarray, importance: np.ndarray, rounds: int = 500) -> np.ndarray:
    """Coefficients of the basis that minimise the greatest product of error and importance."""
    weight = importance.copy()
    for _ in range(rounds):
        coefficients = np.linalg.lstsq(basis * weight[:, np.newaxis], target * weight, rcond=None)[0]
        error = np.abs(basis @ coefficients - target) * importance
        weight *= np.sqrt(error / error.max() + 1e-3)
        weight /= weight.max() / importance.max()
    return np.asarray(coefficients)


def erf_series(num_terms: int) -> np.ndarray:
    """P."""
    x = np.linspace(1e-3, 6.2, 6000)
    complement = np.array([math.erfc(value / math.sqrt(2)) for value in x])
    target = np.log((2 - complement) / complement) / 2
    powers = np.stack([x ** (2 * term + 1) for term in range(num_terms)], axis=1)
    to_gelu = np.maximum(x, 0.05) / np.cosh(target) ** 2  # the error of GELU per error of the target
    return lawson(powers, target, to_gelu)


def gelu_series(num_terms: int) -> np.ndarray:
    """Q."""
    x = np.linspace(1e-4, EDGE, 8000)
    target = np.array([0.5 * math.erf(value / math.sqrt(2)) for value in x])
    basis = np.polynomial.chebyshev.chebvander(2 * (x / EDGE) ** 2 - 1, num_terms - 1) * x[:, np.newaxis]
    return np.polynomial.chebyshev.cheb2poly(lawson(basis, target, np.maximum(x, 0.3)))


def exp_series(num_terms: int) -> np.ndarray:
    """E."""
    half = math.log(2) / 2 * 1.001  # a little more, since r is rounded
    r = np.cos(np.linspace(0, np.pi, 4000)) * half
    basis = np.polynomial.chebyshev.chebvander(r / half, num_terms - 1)
    coefficients = lawson(basis, (np.exp(r) - 1 - r) / r**2, r * r * np.exp(-r) + 1e-9)
    return np.polynomial.chebyshev.cheb2poly(coefficients) / half ** np.arange(num_terms)


if __name__ == "__main__":
    for name, series in (("P", erf_series(7)), ("Q", gelu_series(14)), ("E", exp_series(5))):
        print(f"{name}: {[float(f'{coefficient:.9g}') for coefficient in series]}")
