"""Stretching cells to pixels: against plain arithmetic pixel by pixel, bit for bit; and that against real numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.aggregation.resampler import WHOLE, Hatching, Layer, Resampler

GREY = 0x4D262626
LIGHT_GREY = 0x29141414


def mixed(first: int, second: int, share: int) -> int:
    """Return a pixel of which ``share`` of 256 is the second one's."""
    pairs = zip(first.to_bytes(4, "little"), second.to_bytes(4, "little"), strict=True)
    return int.from_bytes(bytes((a * (WHOLE - share) + b * share + 128) >> 8 for a, b in pairs), "little")


def over(ground: int, pixel: int, opacity: int) -> int:
    """Return a pixel of which ``opacity`` of 256 is seen over an opaque one."""
    above = [(channel * opacity + 128) >> 8 for channel in pixel.to_bytes(4, "little")]
    rest = 256 - above[3] - (above[3] >> 7)
    beneath = [(channel * rest + 128) >> 8 for channel in ground.to_bytes(4, "little")]
    return int.from_bytes(bytes(a + b for a, b in zip(above, beneath, strict=True)), "little")


def shown(layer: Layer, x: int, y: int, *, is_smooth: bool) -> int:
    left, right, across = (int(number) for number in layer.across[:, x])
    upper, lower, down = (int(number) for number in layer.down[:, y])
    if left < 0 or upper < 0:
        return 0
    cells = layer.cells
    if is_smooth:
        rows = [mixed(int(cells[row, left]), int(cells[row, right]), across) for row in (upper, lower)]
        return mixed(rows[0], rows[1], down)
    return int(cells[upper : lower + 1, left : right + 1].max())


def wanted_picture(picture, ground, corner, layer, *, before, fresh, opacity, is_smooth, hatching):
    left, top = corner
    expected = picture.copy()
    for y in range(layer.down.shape[1]):
        for x in range(layer.across.shape[1]):
            pixel = shown(layer, x, y, is_smooth=is_smooth)
            if fresh < WHOLE:
                pixel = mixed(shown(before, x, y, is_smooth=is_smooth), pixel, fresh)
            beneath = int(ground[top + y, left + x])
            part = (
                None if hatching is None else next((n for n, (a, b) in enumerate(hatching.spans) if a <= x < b), None)
            )
            if part is not None:
                at = np.float32(hatching.along_x[x] + hatching.along_y[y]) % np.float32(1)
                if min(at, np.float32(1) - at) < np.float32(hatching.half_line):
                    beneath = over(beneath, int(hatching.colors[part, 0]), WHOLE)
            expected[top + y, left + x] = over(beneath, pixel, opacity)
    return expected


def random_cells(random, rows: int, cols: int) -> np.ndarray:
    """Return premultiplied cells, a third of them empty."""
    rgba = random.integers(0, 256, (rows, cols, 4)).astype(np.uint8)
    rgba[..., :3] = rgba[..., :3].astype(int) * rgba[..., 3:] // 255
    rgba[random.random((rows, cols)) < 0.3] = 0
    return rgba.view(np.uint32)[..., 0]


def random_places(random, pixels: int, count: int, *, is_smooth: bool, fine: bool) -> np.ndarray:
    """Return what pixels show: outside at both ends and in between, ascending or descending, with repetitions."""
    first = np.sort(random.integers(0, count, pixels))
    reach = 1 if is_smooth else random.integers(0, 4, pixels) if fine else 0
    last = np.minimum(first + reach, count - 1)
    share = random.integers(0, WHOLE + 1, pixels) if is_smooth else np.zeros(pixels, int)
    places = np.stack((first, last, share)).astype(np.int32)
    outside = random.integers(0, pixels // 3 + 1, 2)
    places[:, : outside[0]] = places[:, pixels - outside[1] :] = [[-1], [-2], [0]]
    # As where the page's bars overlap in time.
    places[:, random.random(pixels) < random.choice([0.0, 0.2])] = [[-1], [-2], [0]]
    return np.ascontiguousarray(places[:, ::-1]) if random.random() < 0.5 else places


def random_layer(random, width: int, height: int, *, is_smooth: bool, fine: bool) -> Layer:
    rows, cols = (int(number) for number in random.integers(1, 30, 2))
    across = random_places(random, width, cols, is_smooth=is_smooth, fine=fine)
    return Layer(
        random_cells(random, rows, cols), across, random_places(random, height, rows, is_smooth=is_smooth, fine=fine)
    )


@given(
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 1, 100, 255, WHOLE]),
    st.sampled_from([0, 1, 217, WHOLE]),
    st.booleans(),
)
def test_every_pixel(seed, is_smooth, fine, fresh, opacity, is_hatched):
    random = np.random.default_rng(seed)
    width, height = (int(number) for number in random.integers(1, 24, 2))
    left, top, right, bottom = (int(number) for number in random.integers(0, 5, 4))
    shape = (top + height + bottom, left + width + right)
    ground = random.integers(0, 2**24, shape).astype(np.uint32) | np.uint32(0xFF000000)
    is_steady = (random.random(shape[0]) < 0.7).astype(np.uint8)
    is_steady[0] = 0
    for y in np.flatnonzero(is_steady):
        ground[y] = ground[y - 1]
    layer, before = (random_layer(random, width, height, is_smooth=is_smooth, fine=fine) for _ in range(2))
    hatching = None
    if is_hatched:
        first, middle, last = np.sort(random.integers(0, width + 1, 3))
        hatching = Hatching(
            np.array([[first, middle], [middle, last]]),
            random.uniform(0, 30, width).astype(np.float32),
            random.uniform(0, 30, height).astype(np.float32),
            0.2,
            np.array([[GREY], [LIGHT_GREY]], np.uint32),
        )
    picture = random.integers(0, 2**32, shape).astype(np.uint32)
    options = {
        "before": before,
        "fresh": fresh,
        "opacity": opacity,
        "is_smooth": is_smooth,
        "hatching": hatching,
    }
    expected = wanted_picture(picture, ground, (left, top), layer, **options)
    Resampler().compose(picture, ground, is_steady, (left, top), layer, **options)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("opacity", [0.3, 0.85, 1.0])
def test_whole_numbers_are_near_the_real_ones(opacity):
    """256ths instead of 255ths, rounded twice: nobody sees the difference."""
    random = np.random.default_rng(1)
    for _ in range(3000):
        pixel = int(random_cells(random, 1, 1)[0, 0])
        ground = int(random.integers(0, 2**24)) | 0xFF000000
        found = np.frombuffer(over(ground, pixel, round(WHOLE * opacity)).to_bytes(4, "little"), np.uint8)
        above = opacity * np.frombuffer(pixel.to_bytes(4, "little"), np.uint8)
        real = above + np.frombuffer(ground.to_bytes(4, "little"), np.uint8) * (1 - above[3] / 255)
        assert np.abs(found - real).max() < 2
        assert found[3] == 255


def test_nothing_over_it_leaves_the_ground_and_all_of_it_hides_the_ground():
    for ground in (0xFF000000, 0xFFFFFFFF, 0xFF16110E):
        assert over(ground, 0, WHOLE) == ground
        assert over(ground, 0xFF123456, 0) == ground
        assert over(ground, 0xFF123456, WHOLE) == 0xFF123456


def test_one_resampler_serves_pictures_of_any_size():
    resampler, random = Resampler(), np.random.default_rng(5)
    for width, height in ((30, 20), (7, 40), (31, 5)):
        layer = random_layer(random, width, height, is_smooth=False, fine=True)
        ground = np.full((height, width), 0xFF102030, np.uint32)
        picture, again = np.zeros_like(ground), np.zeros_like(ground)
        for target, worker in ((picture, resampler), (again, Resampler())):
            worker.compose(target, ground, np.ones(height, np.uint8), (0, 0), layer)
        np.testing.assert_array_equal(picture, again)
