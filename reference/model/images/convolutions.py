"""Convolutions of images and of signals, and their transposes."""

from __future__ import annotations

from collections.abc import Sequence

from reference.model.images.kernels import Convolution, Sliding, Spreading


class Conv2d(Sliding):
    """Cross-correlation of images with kernels, plus a bias per kernel [Sec. 2].

    Parameters
    ----------
    weight : array_like, shape (C_out, C_in / groups, height, width)
        The kernels.
    bias : array_like, shape (C_out,)
        One constant a kernel.
    stride : int or (int, int), default 1
        Vertical and horizontal stride, in pixels.
    padding : int or (int, int), default 0
        Rows and columns of zeros on each side of the image.
    dilation : int or (int, int), default 1
        How far entries of a kernel lie apart on the image.
    groups : int, default 1
        Channels are cut into so many groups, each with kernels of its own.

    Raises
    ------
    ValueError
        On bad arrays or numbers, and when placed on a shape that does not fit.

    Notes
    -----
    The arguments are those of torch.nn.Conv2d. Guarded by tests/model/test_layers.py and
    tests/model/test_convolutions.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Conv2d
    >>> Conv2d(np.ones((4, 1, 3, 3)), np.zeros(4), padding=1)
    Conv2d(4 x 1 x 3 x 3, stride (1, 1), padding (1, 1))
    """

    axes = 2


class Conv1d(Sliding):
    """Cross-correlation of signals with kernels, plus a bias per kernel.

    Parameters
    ----------
    weight : array_like, shape (C_out, C_in / groups, length)
        The kernels.
    bias : array_like, shape (C_out,)
        One constant a kernel.
    stride, padding, dilation : int
        As those of `Conv2d`, along one axis; 1, 0 and 1 by default.
    groups : int, default 1
        Channels are cut into so many groups, each with kernels of its own.

    Raises
    ------
    ValueError
        On bad arrays or numbers, and when placed on a shape that does not fit.

    Notes
    -----
    The arguments are those of torch.nn.Conv1d; signals have the shape (channels, length). Guarded
    by tests/model/test_convolutions.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Conv1d
    >>> Conv1d(np.ones((2, 1, 3)), np.zeros(2), stride=2).placed((1, 7)).output_shape((1, 7))
    (2, 3)
    """

    axes = 1


class ConvTranspose2d(Spreading):
    """The transpose of a convolution: every pixel is spread over the output by kernels.

    Parameters
    ----------
    weight : array_like, shape (C_in, C_out / groups, height, width)
        The kernels.
    bias : array_like, shape (C_out,)
        One constant an output channel.
    stride : int or (int, int), default 1
        How far apart neighbouring pixels are spread, in pixels of the output.
    padding : int or (int, int), default 0
        Rows and columns cut off on each side of the output.
    output_padding : int or (int, int), default 0
        Rows and columns added at the end of the output; less than the stride or the dilation.
    dilation : int or (int, int), default 1
        How far entries of a kernel lie apart on the output.
    groups : int, default 1
        Channels are cut into so many groups, each with kernels of its own.

    Raises
    ------
    ValueError
        On bad arrays or numbers, and when placed on a shape that does not fit.

    Notes
    -----
    The arguments are those of torch.nn.ConvTranspose2d, in another order: dilation before groups.
    Guarded by tests/model/test_convolutions.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import ConvTranspose2d
    >>> layer = ConvTranspose2d(np.ones((8, 3, 4, 4)), np.zeros(3), stride=2, padding=1)
    >>> layer.placed((8, 7, 7)).output_shape((8, 7, 7))
    (3, 14, 14)
    """

    axes = 2


class ConvTranspose1d(Spreading):
    """The transpose of a convolution of signals.

    Parameters
    ----------
    weight : array_like, shape (C_in, C_out / groups, length)
        The kernels.
    bias : array_like, shape (C_out,)
        One constant an output channel.
    stride, padding, output_padding, dilation : int
        As those of `ConvTranspose2d`, along one axis; 1, 0, 0 and 1 by default.
    groups : int, default 1
        Channels are cut into so many groups, each with kernels of its own.

    Raises
    ------
    ValueError
        On bad arrays or numbers, and when placed on a shape that does not fit.

    Notes
    -----
    The arguments are those of torch.nn.ConvTranspose1d, in another order: dilation before groups.
    Guarded by tests/model/test_convolutions.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import ConvTranspose1d
    >>> layer = ConvTranspose1d(np.ones((2, 1, 4)), np.zeros(1), stride=2, padding=1)
    >>> layer.placed((2, 5)).output_shape((2, 5))
    (1, 10)
    """

    axes = 1


#: The classes of convolutions, by the names that files know them by.
CONVOLUTIONS: Sequence[type[Convolution]] = (Conv2d, Conv1d, ConvTranspose2d, ConvTranspose1d)
