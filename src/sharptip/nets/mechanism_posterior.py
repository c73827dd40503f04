"""One output, two answers: which of K mechanisms, and a Gaussian posterior of D numbers with its whole covariance.

A network's output (n, K + D + D(D+1)/2) is the K logits, the D means, and the lower triangle of a Cholesky factor. What
is held against it (n, 1 + D) is the class and the numbers; NaN where a number does not exist (a surface without
polarisation has no coercive voltage). The likelihood of what is known is the marginal one: rows and columns of the
covariance that nobody knows are left out, so nothing is learned about them and correlations stay right.

Learning it on simulated pairs is neural posterior estimation (Papamakarios & Murray, NeurIPS 29 (2016)) with one
Gaussian.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

LEAST = 1e-2  # smallest diagonal of the factor, on the scale of the numbers


def outputs(classes: int, numbers: int) -> int:
    """How many outputs a network needs."""
    return classes + numbers + numbers * (numbers + 1) // 2


def split(output: Tensor, numbers: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (n, K), means (n, D) and Cholesky factors (n, D, D) of an output (n, K + D + D(D+1)/2)."""
    triangle = numbers * (numbers + 1) // 2
    logits, mean, flat = output.split([output.shape[1] - numbers - triangle, numbers, triangle], dim=1)
    factor = output.new_zeros(len(output), numbers, numbers)
    rows, columns = torch.tril_indices(numbers, numbers)
    factor[:, rows, columns] = flat
    diagonal = softplus(torch.diagonal(factor, dim1=1, dim2=2)) + LEAST
    return logits, mean, torch.tril(factor, -1) + torch.diag_embed(diagonal)


def mechanism_posterior_loss(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the class and negative log-likelihood of the numbers that are known: scalar.

    target (n, 1 + D): the class, −1 where it is unknown, and numbers, NaN where there is none.
    """
    numbers = target.shape[1] - 1
    logits, mean, factor = split(output, numbers)
    known = torch.isfinite(target[:, 1:])
    off = torch.where(known, target[:, 1:] - mean, 0.0)
    both = (known[:, :, None] & known[:, None, :]).to(output.dtype)
    covariance = factor @ factor.mT * both + torch.diag_embed((~known).to(output.dtype))
    lower = torch.linalg.cholesky(covariance)
    z = torch.linalg.solve_triangular(lower, off[..., None], upper=False)[..., 0]
    likelihood = 0.5 * z.square().sum(1) + torch.diagonal(lower, dim1=1, dim2=2).log().sum(1)
    which = target[:, 0].long()
    kind = cross_entropy(logits, which, ignore_index=-1) if (which >= 0).any() else logits.sum() * 0.0
    return kind + likelihood.mean() / numbers


__all__ = ["LEAST", "mechanism_posterior_loss", "outputs", "split"]
