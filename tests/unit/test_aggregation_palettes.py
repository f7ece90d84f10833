"""Palettes: premultiplied, empty where nothing is, rising in lightness, and told apart from the candles."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.aggregation import PALETTES, palette_names
from Heatmap.aggregation.colour_maps import colour_map
from Heatmap.aggregation.colour_space import _LAB_FROM_ROOTS, _LMS_FROM_RGB, oklab_from_lch, srgb_from_oklab
from Heatmap.aggregation.palettes import find_palette
from Heatmap.app.candle_look import COLOURS, Colours
from Heatmap.errors import GridError

DARK, LIGHT = np.array([0x0E, 0x11, 0x16]), np.array([255, 255, 255])
CANDLES = {name: np.array([list(bytes.fromhex(colour[1:])) for colour in pair]) for name, pair in COLOURS.items()}

every_palette = pytest.mark.parametrize("name", palette_names())
both_backgrounds = pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])


def oklab_from_srgb(srgb):
    """Return OKLab (..., 3) of gamma-coded sRGB (..., 3) in 0..1."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS_FROM_RGB.T) @ _LAB_FROM_ROOTS.T


def on_background(table, dark):
    background = DARK if dark else LIGHT
    colour, alpha = table[..., :3].astype(float), table[..., 3:].astype(float) / 255
    return oklab_from_srgb((colour + background * (1 - alpha)) / 255)


def test_one_palette_shows_the_side_by_hue():
    assert PALETTES["long_short"].is_bivariate
    assert not PALETTES["fire"].is_bivariate


@every_palette
@both_backgrounds
def test_tables_are_premultiplied_and_sealed(name, dark):
    tables = PALETTES[name].for_background(dark)
    assert tables.dtype == np.uint8
    assert tables.shape == (len(PALETTES[name].tables), 256, 4)
    assert tables.shape[0] in {1, 17}
    assert (tables[..., :3] <= tables[..., 3:]).all()
    assert not tables.flags.writeable


@every_palette
@both_backgrounds
def test_empty_is_transparent_and_faint_is_not(name, dark):
    tables = PALETTES[name].for_background(dark)
    assert not tables[:, 0].any()
    assert (tables[:, 1, 3] >= 30).all()
    assert (np.diff(tables[:, :, 3].astype(int), axis=1) >= 0).all()
    assert (tables[:, 255, 3] < 255).all(), "the chart's grid lines must shine through"


@every_palette
@both_backgrounds
def test_lightness_tells_the_size(name, dark):
    lightness = on_background(PALETTES[name].for_background(dark), dark)[..., 0]
    rising = lightness if dark else -lightness
    # Eight levels apart, so that the rounding to 8 bits does not count.
    assert (rising[:, 8:] > rising[:, :-8]).all()
    assert (rising[:, 255] - rising[:, 1] > 0.5).all()


@every_palette
@pytest.mark.parametrize("colours", COLOURS)
def test_the_strongest_colour_is_no_candle(name, colours):
    for dark in (True, False):
        strongest = on_background(PALETTES[name].for_background(dark)[:, 255], dark)
        distance = np.linalg.norm(strongest[:, None] - oklab_from_srgb(CANDLES[colours] / 255)[None], axis=-1)
        assert distance.min() > 0.12


@pytest.mark.parametrize("level", [64, 128, 192])
@both_backgrounds
def test_hue_tells_longs_from_shorts(level, dark):
    tables = PALETTES["long_short"].for_background(dark)
    short, both, long = on_background(tables[[0, 8, 16], level], dark)
    assert long[2] > 0 > short[2], "longs lean to yellow, shorts to blue"
    assert abs(long[0] - short[0]) < 0.06, "size is lightness, whatever the side"
    assert np.hypot(*both[1:]) < max(np.hypot(*long[1:]), np.hypot(*short[1:])) / 2


def test_cividis_survives_red_green_blindness():
    # Colour differences along the red-green axis of OKLab are what is lost; along blue-yellow it must still vary.
    lab = on_background(PALETTES["cividis"].tables[0], dark=True)
    assert np.abs(lab[:, 1]).max() < 0.05
    assert lab[:, 2].max() - lab[:, 2].min() > 0.12


# Machado, Oliveira and Fernandes (2009), severity 1.0: what is left of linear sRGB without one kind of cone.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen_by(deficiency, table, dark):
    """Return OKLab of what such an eye sees of a table on a chart."""
    background = DARK if dark else LIGHT
    return seen_colour(deficiency, (table[..., :3] + background * (1 - table[..., 3:] / 255)) / 255)


def seen_colour(deficiency, coded):
    """Return OKLab of what such an eye sees of gamma-coded sRGB in 0..1."""
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    left = np.clip(linear @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    return oklab_from_srgb(np.where(left <= 0.0031308, left * 12.92, 1.055 * left ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("name", ["cividis", "grey", "long_short"])
@both_backgrounds
def test_sizes_can_be_told_apart_with_any_colour_vision(deficiency, name, dark):
    for table in PALETTES[name].for_background(dark):
        lightness = seen_by(deficiency, table, dark)[:, 0] * (1 if dark else -1)
        assert (lightness[16:] > lightness[:-16]).all()
        assert lightness[255] - lightness[1] > 0.5


@pytest.mark.parametrize("deficiency", ["protanopia", "deuteranopia"])
@both_backgrounds
def test_sides_can_be_told_apart_without_red_and_green(deficiency, dark):
    tables = PALETTES["long_short"].for_background(dark)
    short, long = seen_by(deficiency, tables[0], dark), seen_by(deficiency, tables[16], dark)
    assert np.linalg.norm(short - long, axis=-1)[48:224].min() > 0.1


def candles_distance(deficiency, colours):
    up, down = seen_colour(deficiency, CANDLES[colours] / 255)
    return np.linalg.norm(up - down)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_blue_and_orange_candles_can_be_told_apart_with_any_colour_vision(deficiency):
    assert candles_distance(deficiency, Colours.BLUE_ORANGE) > 0.25


def test_green_and_red_candles_need_all_cones():
    assert candles_distance("tritanopia", Colours.GREEN_RED) > 0.25
    assert candles_distance("deuteranopia", Colours.GREEN_RED) < 0.15


@pytest.mark.parametrize(
    ("name", "colours"),
    [
        # matplotlib.colormaps[name](…, bytes=True) at 0, 64, 128, 192 and 255.
        ("viridis", [(68, 1, 84), (58, 82, 139), (32, 144, 140), (94, 201, 97), (253, 231, 36)]),
        ("cividis", [(0, 34, 77), (67, 78, 107), (124, 123, 120), (187, 173, 108), (253, 231, 55)]),
    ],
)
def test_published_maps_are_the_published_ones(name, colours):
    assert colour_map(name).shape == (256, 3)
    assert [tuple(colour) for colour in colour_map(name)[[0, 64, 128, 192, 255]].tolist()] == colours
    table = PALETTES[name].tables[0].astype(float)
    shown = table[1:, :3] / table[1:, 3:] * 255
    assert np.abs(shown - colour_map(name)[1:]).max() <= 255 / 41 / 2 + 0.5, (
        "but for the rounding of premultiplied colour"
    )
    matplotlib = pytest.importorskip("matplotlib")
    np.testing.assert_array_equal(colour_map(name), matplotlib.colormaps[name](range(256), bytes=True)[:, :3])


def test_grey_is_grey():
    lab = on_background(PALETTES["grey"].light_tables[0], dark=False)
    assert np.abs(lab[:, 1:]).max() < 0.005


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(GridError, match=r"fire, ice.*'mud'"):
        find_palette("mud")


def test_oklab_there_and_back():
    srgb = np.random.default_rng(5).random((200, 3))
    np.testing.assert_allclose(srgb_from_oklab(oklab_from_srgb(srgb)), srgb, atol=2e-5)


def test_oklab_of_white_and_of_a_published_value():
    np.testing.assert_allclose(oklab_from_srgb(np.ones(3)), [1, 0, 0], atol=1e-6)
    # Pure red: L 0.62796, a 0.22486, b 0.12585
    np.testing.assert_allclose(oklab_from_srgb(np.array([1.0, 0, 0])), [0.62796, 0.22486, 0.12585], atol=1e-4)


def test_colours_no_screen_can_show_keep_their_lightness():
    lab = oklab_from_lch(np.array([0.7]), np.array([0.5]), np.array([150.0]))
    shown = oklab_from_srgb(srgb_from_oklab(lab))
    assert shown[0, 0] == pytest.approx(0.7, abs=1e-3)
    assert np.arctan2(shown[0, 2], shown[0, 1]) == pytest.approx(np.deg2rad(150), abs=0.01)
