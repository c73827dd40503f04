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

    def number(self, values: np.ndarray, kind: str, channel: int = 0) -> np.ndarray:
        """Values (…) as numbers of a channel's scale: a "value", a "difference" of values, or "plain" as they are."""
        if kind == "plain":
            return values.astype(np.float32)
        offset = self.offset[channel] if kind == "value" else 0.0
        return ((values - offset) / (self.spread[channel] or 1.0)).astype(np.float32)

    def value(self, numbers: np.ndarray, kind: str, channel: int = 0) -> np.ndarray:
        """The inverse of `number`, in double precision."""
        if kind == "plain":
            return numbers.astype(float)
        return numbers.astype(float) * self.spread[channel] + (self.offset[channel] if kind == "value" else 0.0)


def by_lines(channels: np.ndarray) -> np.ndarray:
    """Numbers of order one for which each line knows only itself and the lines above: (c, y, x) → float32.

    Each line loses its own slope, then the mean of the line medians so far, and is divided by the mean robust spread
    of the lines so far. A scan that is cut off after any line gives the same numbers for the lines it has.
    """
    out = np.empty(channels.shape, np.float32)
    x = np.linspace(-1, 1, channels.shape[2]) if channels.shape[2] > 1 else np.zeros(1)
    so_far = np.arange(1, channels.shape[1] + 1)
    for c, z in enumerate(channels.astype(float)):
        centred = z - z.mean(axis=1, keepdims=True)
        slope = centred @ x / max(float(x @ x), 1.0)
        level = z - slope[:, None] * x
        middle = np.median(level, axis=1)
        spread = SPREAD * np.median(np.abs(level - middle[:, None]), axis=1)
        offset, spread = np.cumsum(middle) / so_far, np.cumsum(spread) / so_far
        size = np.maximum.accumulate(np.abs(z).max(axis=1))
        divisor = np.where(spread > 1e-12 * size, spread, np.inf)  # nothing seen yet but flat lines: zeros
        out[c] = np.clip((level - offset[:, None]) / divisor[:, None], -CLIP, CLIP)
    return out
