"""Fit the power series that turns tanh into the normal distribution: ERF_SERIES of minibert/ops/reference.py.

    Φ(x) = (1 + tanh(x P(x²))) / 2     so     x P(x²) = artanh(erf(x / sqrt(2))) = log((2 - c) / c) / 2,   c = erfc(x / sqrt(2))

P is fitted by iteratively reweighted least squares (Lawson) towards the least greatest error of GELU. Odd numbers of terms end on a
positive coefficient, so that the series grows with x and tanh saturates where Φ does; seven are the fewest whose error is that of
float32 itself.

    python benchmarks/fit_gelu.py
"""

import math

import numpy as np

from minibert.ops.reference import gelu_gate


def fit(num_terms: int, rounds: int = 400) -> np.ndarray:
    x = np.linspace(1e-3, 6.2, 6000)
    complement = np.array([math.erfc(value / math.sqrt(2)) for value in x])
    target = np.log((2 - complement) / complement) / 2
    powers = np.stack([x ** (2 * term + 1) for term in range(num_terms)], axis=1)
    to_gelu = np.maximum(x, 0.05) / np.cosh(target) ** 2  # how much of an error of the target arrives in GELU
    weight = to_gelu.copy()
    for _ in range(rounds):
        series = np.linalg.lstsq(powers * weight[:, np.newaxis], target * weight, rcond=None)[0]
        error = np.abs(powers @ series - target) * to_gelu
        weight *= np.sqrt(error / error.max() + 1e-3)
        weight /= weight.max() / to_gelu.max()
    return np.asarray(series)


def greatest_error(series: np.ndarray | None) -> float:
    """Of GELU over -12..12: of a series in float64, or of reference.py in float32."""
    x = np.linspace(-12, 12, 200_001)
    expected = np.array([0.5 * value * math.erfc(-value / math.sqrt(2)) for value in x.astype(np.float32).astype(np.float64)])
    if series is None:
        single = x.astype(np.float32)
        return float(np.abs(single * gelu_gate(single, "none") - expected).max())
    wide = x.astype(np.float32).astype(np.float64)
    return float(np.abs(wide * (1 + np.tanh(wide * np.polyval(series[::-1], wide**2))) / 2 - expected).max())


if __name__ == "__main__":
    for num_terms in (5, 7):
        series = fit(num_terms)
        print(f"{num_terms} terms, error {greatest_error(series):.1e} in float64: {series.tolist()}")
    print(f"reference.gelu_gate, in float32: {greatest_error(None):.1e}")
