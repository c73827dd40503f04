"""Scale is inside the model: heights become numbers of order one, and restored heights become metres again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLIP = 5.0  # robust standard deviations a network sees; a spike beyond says nothing more
SPREAD = 1.4826  # median absolute deviation → standard deviation of a normal distribution


@dataclass(frozen=True)
class Scale:
    """value = offset + spread · number, one pair per channel."""

    offset: np.ndarray
    spread: np.ndarray

    @classmethod
    def own(cls, channels: np.ndarray) -> Scale:
        """The scan's own median and robust spread: channels (c, y, x), NaN ignored.

        A constant channel has spread zero and is mapped to zeros. Where more than half of the pixels are equal
        (flat terraces) the median deviation is zero too, and the standard deviation takes its place.
        """
        flat = channels.reshape(len(channels), -1).astype(float)
        offset = np.nanmedian(flat, axis=1)
        spread = SPREAD * np.nanmedian(np.abs(flat - offset[:, None]), axis=1)
        size = np.nanmax(np.abs(flat), axis=1)
        spread = np.where(spread > 1e-12 * size, spread, np.nanstd(flat, axis=1))
        return cls(offset, np.where(spread > 1e-12 * size, spread, 0.0))

    def numbers(self, channels: np.ndarray, clip: float | None = CLIP) -> np.ndarray:
        """Channels (c, y, x) in their units → float32 numbers of order one."""
        spread = np.where(self.spread > 0, self.spread, 1.0)[:, None, None]
        out = (channels - self.offset[:, None, None]) / spread
        out = np.where(self.spread[:, None, None] > 0, out, 0.0)
        return (np.clip(out, -clip, clip) if clip else out).astype(np.float32)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers (c, y, x) → channels in their units; the inverse of `numbers` inside the clip."""
        return numbers.astype(float) * self.spread[:, None, None] + self.offset[:, None, None]
