"""Which report is shown with which picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.ui.geometry.background import Surface
from Heatmap.ui.geometry.frame_follower import KEPT_FRAMES, MAX_PLACES, PATIENCE_FRAMES, Frame, FrameFollower, SyncMode
from Heatmap.ui.geometry.frame_stamp import NUMBERS, StampPlace
from Heatmap.ui.geometry.viewport import Viewport

PAGE = (900, 500)
PLACE = StampPlace(800, 490, 2)


def frame(number: int, *places: StampPlace, page: tuple[int, int] = PAGE) -> Frame:
    viewport = Viewport(
        left_px=0,
        top_px=0,
        width_px=900,
        height_px=470,
        ratio=1,
        logical_from=number,
        logical_to=number + 100,
        x_from_px=0,
        x_to_px=900,
        price_top=108,
        price_bottom=92,
        frame=number,
        stamps=places or (PLACE,),
        page_px=page,
    )
    return Frame(viewport, None)


@pytest.fixture
def follower() -> FrameFollower:
    """Give one that is in step with frame 1."""
    follower = FrameFollower()
    follower.report(frame(1))
    follower.picture(1, PAGE)
    return follower


def test_before_the_first_stamp_the_newest_report_is_shown():
    follower = FrameFollower()
    first = frame(7)
    assert follower.report(first) is first
    assert follower.mode is SyncMode.WAITING


def test_a_report_waits_for_its_picture(follower):
    assert follower.mode is SyncMode.STAMP
    frames = [frame(number) for number in range(2, 6)]
    assert [follower.report(each) for each in frames] == [None] * 4
    assert follower.picture(3, PAGE) is frames[1]
    assert follower.picture(3, PAGE) is None, "the same picture again changes nothing"
    assert follower.picture(5, PAGE) is frames[3]
    assert follower.counts.exact == 4
    assert follower.counts.late == follower.counts.unread == 0


def test_the_next_picture_is_expected_as_late_as_the_last(follower):
    frames = [frame(number) for number in range(2, 9)]
    for each in frames[:4]:
        follower.report(each)
    assert follower.picture(3, PAGE) is frames[1]  # two reports are ahead of it
    follower.report(frames[4])
    assert follower.expected() is frames[2]
    assert follower.picture(4, PAGE) is frames[2]
    follower.report(frames[5])
    follower.report(frames[6])
    assert follower.expected() is frames[4], "pictures were left out"


def test_nothing_is_expected_without_stamps():
    follower = FrameFollower()
    assert follower.expected() is None
    follower.report(frame(1))
    assert follower.expected() is None, "no stamp was read yet"
    follower.picture(1, PAGE)
    assert follower.expected() is follower.shown
    follower.forget()
    assert follower.expected() is None


def test_a_picture_before_its_report_is_put_right_when_that_comes(follower):
    assert follower.picture(2, PAGE) is None
    assert follower.shown.viewport.frame == 1
    late = frame(2)
    assert follower.report(late) is late
    assert follower.counts.late == 1
    assert follower.mode is SyncMode.STAMP


def test_a_picture_of_another_size_before_its_report_is_foreseen(follower):
    """Lightweight Charts keeps the right edge, the distance of bars, and the prices at the edges."""
    shown = follower.picture(2, (1000, 520)).viewport
    assert (shown.width_px, shown.height_px) == (1000, 490)
    assert shown.bar_spacing_px == frame(1).viewport.bar_spacing_px
    assert shown.logical(1000) == pytest.approx(frame(1).viewport.logical(900))
    assert (shown.price_top, shown.price_bottom) == (108, 92)
    late = frame(2, page=(1000, 520))
    assert follower.report(late) is late


@pytest.mark.parametrize("page", [PAGE, (1800, 1000)], ids=["same size", "other size"])
def test_a_picture_stamped_elsewhere_is_put_right_when_its_report_comes(follower, page):
    """A window on a screen of another factor: its last picture came before the report that says where the stamp is."""
    follower.picture(None, page)
    assert follower.report(frame(9, StampPlace(0, 0, 4), page=(50, 50))) is None, "not a report of this picture"
    late = frame(2, StampPlace(1600, 980, 4), page=page)
    assert follower.report(late) is late
    assert follower.report(frame(3, StampPlace(1600, 980, 4), page=page)) is None, "that one's picture is still to come"
    assert follower.counts.late == 1
    assert follower.mode is SyncMode.STAMP


def test_an_unreadable_picture_of_a_known_size_is_that_one(follower):
    larger = frame(2, page=(1000, 520))
    follower.report(larger)
    follower.report(frame(3, page=(1020, 530)))
    assert follower.picture(None, (1000, 520)) is larger


def test_an_unreadable_picture_is_taken_to_be_as_late_as_the_last_one(follower):
    frames = [frame(number) for number in range(2, 10)]
    for each in frames[:4]:
        follower.report(each)
    assert follower.picture(3, PAGE) is frames[1], "two reports are ahead of it"
    follower.report(frames[4])
    assert follower.picture(None, PAGE) is frames[2]
    follower.report(frames[5])
    assert follower.picture(None, PAGE) is frames[3]
    assert follower.mode is SyncMode.STAMP
    assert follower.counts.unread == 2


def test_without_stamps_messages_are_followed_and_a_stamp_ends_that(follower):
    for _ in range(PATIENCE_FRAMES):
        follower.picture(None, PAGE)
    assert follower.mode is SyncMode.MESSAGE
    newest = frame(2)
    assert follower.report(newest) is newest
    follower.picture(2, PAGE)
    assert follower.mode is SyncMode.STAMP
    assert follower.report(frame(3)) is None


def test_stamps_that_nobody_reported_are_no_stamps(follower):
    for number in range(500, 500 + PATIENCE_FRAMES):
        follower.picture(number, PAGE)
    assert follower.mode is SyncMode.MESSAGE


def test_pictures_that_stop_coming_do_not_stop_the_heat(follower):
    shown = [follower.report(frame(number)) for number in range(2, PATIENCE_FRAMES + 4)]
    assert shown[0] is None
    assert shown[-1] is not None
    assert follower.mode is SyncMode.MESSAGE


def test_a_lost_chart_leaves_nothing_behind(follower):
    follower.forget()
    assert follower.shown is None
    assert follower.mode is SyncMode.WAITING
    assert follower.picture(1, PAGE) is None, "the old frame is still on the screen"
    assert follower.places() == []
    assert follower.counts.unread == 0


def test_the_stamp_is_looked_for_where_it_was_lately():
    follower = FrameFollower()
    edge = StampPlace(0, 0, 2, 4)
    for number in range(20):
        follower.report(frame(number, edge, StampPlace(800 + number // 2, 490, 2)))
    assert follower.places()[0] == edge
    assert [place.left_px for place in follower.places()[1:]] == [809, 808, 807, 806, 805]
    assert len(follower.places()) == MAX_PLACES


@given(st.lists(st.integers(0, 6), min_size=1, max_size=400), st.integers(0, 2 * NUMBERS))
def test_what_is_shown_is_always_what_is_stamped_however_late_the_pictures_are(lags, first):
    """Frame by frame, also where the numbers begin again; a picture is at most six frames late, and may repeat."""
    follower = FrameFollower()
    follower.report(frame(first))
    follower.picture(first % NUMBERS, PAGE)
    newest = drawn = first
    for lag in lags:
        newest += 1
        follower.report(frame(newest))
        drawn = max(drawn, newest - lag)
        follower.picture(drawn % NUMBERS, PAGE)
        assert follower.shown.viewport.frame == drawn
    assert follower.mode is SyncMode.STAMP
    assert follower.counts.late == 0


def test_the_page_around_the_chart_belongs_to_its_frame(follower):
    box = Surface(0, 40, 900, 460, (1, 0, 0, 1))
    frames = [replace(frame(number), surfaces=(replace(box, left_px=number),)) for number in range(2, 5)]
    for each in frames:
        follower.report(each)
    assert follower.picture(2, PAGE).surfaces == (replace(box, left_px=2),)
    assert follower.picture(4, PAGE).surfaces == (replace(box, left_px=4),)


def test_a_page_that_grew_without_a_report_grows_with_all_its_parts(follower):
    box = Surface(100, 40, 800, 460, (1, 0, 0, 1))
    follower.report(replace(frame(2), surfaces=(box,)))
    follower.picture(2, PAGE)
    shown = follower.picture(None, (960, 480))
    assert shown.surfaces == (replace(box, width_px=860, height_px=440),)
    assert (shown.viewport.width_px, shown.viewport.height_px) == (960, 450)
    assert shown.viewport.page_px == (960, 480)


def test_memory_has_an_end():
    follower = FrameFollower()
    for number in range(10 * KEPT_FRAMES):
        follower.report(frame(number))
        follower.picture(number % NUMBERS, PAGE)
    follower.picture(0, PAGE)
    assert follower.shown.viewport.frame == 10 * KEPT_FRAMES - 1, "the first frame is forgotten"
