"""Random views of images for learning what makes an image itself: crops, flips, colours.

Every image of a batch has parameters of its own, and all are changed at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["RandomViews", "adjust_colours", "resized_crops"]

_GREY = (0.299, 0.587, 0.114)  # luma of red, green and blue (ITU-R BT.601)
_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
"""From red, green and blue to luma and two axes of colour (NTSC): a turn of these changes the hue alone."""


def resized_crops(x: Tensor, boxes: Tensor, is_flipped: Tensor) -> Tensor:
    """Return a part of each image at the size of the whole, between pixels linearly.

    Parameters
    ----------
    x : Tensor of shape (b, c, h, w)
    boxes : Tensor of shape (b, 4)
        Left, top, width and height of the parts, as shares of the image's width and height.
    is_flipped : Tensor of shape (b,), bool
        Which parts are mirrored left to right.

    Returns
    -------
    Tensor of shape (b, c, h, w)

    Examples
    --------
    >>> x = torch.arange(16.0).view(1, 1, 4, 4)
    >>> whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> torch.equal(resized_crops(x, whole, torch.tensor([True])), x.flip(-1))
    True
    """
    left, top, width, height = boxes.unbind(dim=1)
    zero = torch.zeros_like(left)
    sign = 1 - 2 * is_flipped.to(x.dtype)
    matrices = torch.stack(
        [sign * width, zero, 2 * left + width - 1, zero, height, 2 * top + height - 1], dim=1
    )
    grid = functional.affine_grid(matrices.view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def adjust_colours(
    x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor
) -> Tensor:
    """Return images in other colours, kept between 0 and 1 after each change.

    Parameters
    ----------
    x : Tensor of shape (b, c, h, w)
        Between 0 and 1; red, green and blue, or one channel, which has neither saturation nor hue.
    brightness, contrast, saturation : Tensor of shape (b,)
        Factors on the pixels, on their distance from the image's mean grey, and on that from their own grey;
        1 changes nothing, saturation 0 leaves greys.
    hue : Tensor of shape (b,)
        Turn of the hue about the axis of greys, in whole turns; 0 changes nothing.

    Returns
    -------
    Tensor of shape (b, c, h, w)

    Examples
    --------
    >>> one = torch.ones(1)
    >>> adjust_colours(torch.full((1, 1, 1, 2), 0.5), 1.2 * one, one, one, 0 * one).tolist()
    [[[[0.60..., 0.60...]]]]
    """
    brightness, contrast, saturation, hue = (
        value.view(-1, 1, 1, 1) for value in (brightness, contrast, saturation, hue)
    )
    x = (x * brightness).clamp(0, 1)
    mean = _grey(x).mean(dim=(1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * contrast).clamp(0, 1)
    if x.shape[1] != 3:
        return x
    grey = _grey(x)
    x = (grey + (x - grey) * saturation).clamp(0, 1)
    return _turned(x, hue).clamp(0, 1)


def _grey(x: Tensor) -> Tensor:
    """Return the grey of each pixel, shape (b, 1, h, w)."""
    if x.shape[1] != 3:
        return x.mean(dim=1, keepdim=True)
    return torch.einsum("bchw,c->bhw", x, x.new_tensor(_GREY))[:, None]


def _turned(x: Tensor, hue: Tensor) -> Tensor:
    to_yiq = x.new_tensor(_YIQ)
    y, i, q = torch.einsum("bchw,dc->dbhw", x, to_yiq)[..., None, :, :].unbind()
    cos, sin = torch.cos(2 * math.pi * hue), torch.sin(2 * math.pi * hue)
    turned = torch.cat([y, cos * i - sin * q, sin * i + cos * q], dim=1)
    return torch.einsum("bchw,dc->bdhw", turned, torch.linalg.inv(to_yiq))


@dataclass(frozen=True, kw_only=True)
class RandomViews:
    """A random view of each image: a part at full size, mirrored or not, in other colours, or in greys.

    The defaults are ISIF's, drawn from torch's generator. Brightness, contrast, saturation and hue change in
    this order, theirs is drawn; the hue is turned in YIQ, theirs in HSV. Parts that would be wider or higher
    than the image are cut to it, theirs are drawn again.

    Parameters
    ----------
    smallest : float, default 0.2
        Least share of the image's area that a part has; up to the whole.
    stretch : float, default 4 / 3
        A part's width to height is between 1 to this and this to 1 (of a square image).
    flip : float, default 0.5
        How probable it is that a part is mirrored.
    jitter : float, default 0.4
        Brightness, contrast and saturation change by factors between 1 - this and 1 + this.
    hue : float, default 0.4
        The hue turns by at most this share of a turn, either way.
    grey : float, default 0.2
        How probable greys are.

    References
    ----------
    Ye, Zhang, Yuen, Chang: Unsupervised embedding learning via invariant and spreading instance feature. CVPR
    2019, arXiv 1904.03436.

    Examples
    --------
    >>> RandomViews()(torch.rand(5, 3, 8, 8)).shape
    torch.Size([5, 3, 8, 8])
    """

    smallest: float = 0.2
    stretch: float = 4 / 3
    flip: float = 0.5
    jitter: float = 0.4
    hue: float = 0.4
    grey: float = 0.2

    def __call__(self, x: Tensor) -> Tensor:
        """Return a view of images ``(b, c, h, w)`` between 0 and 1, same shape."""
        low, high = 1 - self.jitter, 1 + self.jitter
        with torch.autocast(x.device.type, enabled=False):  # views are data, not activations
            x = self.part(x)
            brightness, contrast, saturation = (_uniform(x, low, high) for _ in range(3))
            saturation = torch.where(_uniform(x, 0, 1) < self.grey, 0.0, saturation)
            return adjust_colours(x, brightness, contrast, saturation, _uniform(x, -self.hue, self.hue))

    def part(self, x: Tensor) -> Tensor:
        """Return a drawn part of each image at full size, mirrored or not, in its own colours."""
        return resized_crops(x, self.boxes(x), _uniform(x, 0, 1) < self.flip)

    def boxes(self, x: Tensor) -> Tensor:
        """Return a drawn part for each image, as `resized_crops` takes them."""
        area = _uniform(x, self.smallest, 1)
        stretch = _uniform(x, -math.log(self.stretch), math.log(self.stretch)).exp()
        width, height = (area * stretch).sqrt().clamp(max=1), (area / stretch).sqrt().clamp(max=1)
        left, top = _uniform(x, 0, 1) * (1 - width), _uniform(x, 0, 1) * (1 - height)
        return torch.stack([left, top, width, height], dim=1)


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(len(x), device=x.device, dtype=x.dtype)
