"""The controls that a host puts into its own window: action, status, signals, clicks."""

from __future__ import annotations

import pytest
from PyQt6 import sip
from PyQt6.QtGui import QKeySequence
from support.mouse import Mouse

from Heatmap.ui.settings_model import SettingsModel

pytestmark = [pytest.mark.gl]

# conftest.py: where the event is.
EVENT_PRICE = 97.0


def test_the_action_follows_the_setting_and_sets_it(open_host):
    with open_host() as host:
        host.show()
        action, said = host.plugin.toggle_action(), []
        host.plugin.enabledChanged.connect(said.append)
        assert host.plugin.toggle_action() is action
        assert (action.isCheckable(), action.isChecked()) == (True, True)
        assert not action.icon().isNull()
        assert action.toolTip() == "Show or hide the heatmap. Events are recorded either way. (Ctrl+H)"
        host.plugin.set_enabled(False)
        assert not action.isChecked()
        host.wait_for_no_heat()
        assert action.shortcut() == QKeySequence("Ctrl+H")
        action.trigger()
        assert host.plugin.is_enabled()
        host.wait_for_heat()
        assert said == [False, True]
        host.plugin.settings.update(language="de")
        assert action.toolTip().startswith("Die Heatmap ein- oder ausblenden.")
        host.plugin.detach()
        assert not action.isEnabled()


def test_the_status_is_said_when_it_changes(open_host):
    with open_host() as host:
        host.load()
        host.attach()
        said = []
        host.plugin.statusChanged.connect(said.append)
        assert host.plugin.status == "Reading the database"
        host.plugin.settings.update(language="de")
        assert said == ["Liest die Datenbank"]
        host.service.stop()
        host.wait(lambda: said[1:] == ["Keine Aufzeichnung"])
        assert host.plugin.status == "Keine Aufzeichnung"


def test_a_click_on_heat_is_a_price_and_one_beside_it_or_a_drag_is_not(open_host):
    with open_host() as host:
        host.show(start="makeChart({kineticScroll: {mouse: false}});")
        prices, mouse, spot = [], Mouse(host.view), host.spot()
        host.plugin.levelClicked.connect(prices.append)
        mouse.move(spot.x_px, spot.y_px)
        mouse.press()
        mouse.release()
        host.wait(lambda: prices != [])
        assert prices == [pytest.approx(EVENT_PRICE, abs=0.2)]
        # Beside the heat, and a drag that begins on it; then one more click shows that both were taken.
        mouse.move(spot.x_px + 150, spot.y_px - 60)
        mouse.press()
        mouse.release()
        mouse.move(spot.x_px, spot.y_px)
        mouse.press()
        mouse.move(spot.x_px + 40, spot.y_px)
        mouse.release()
        host.wait_for_place()
        spot = host.spot()
        mouse.move(spot.x_px, spot.y_px)
        mouse.press()
        mouse.release()
        host.wait(lambda: len(prices) > 1)
        assert prices[1:] == prices[:1]


def test_a_host_may_delete_controls_and_its_settings_before_the_end(open_host):
    with open_host() as host:
        settings = SettingsModel(None, overrides={"enabled": False})
        plugin = host.attach(settings=settings)
        replay = plugin.replay_bar()
        shown = []
        plugin.show_as_of = shown.append
        sip.delete(replay)
        assert shown == [None]  # nothing else would end the replay
        first, group = plugin.setting_action("bubbles"), plugin.choice_actions("window")
        sip.delete(first)
        sip.delete(group)
        second = plugin.setting_action("bubbles")
        assert second.isCheckable()
        assert len(plugin.choice_actions("window").actions()) == 3
        sip.delete(plugin.setting_action("gaps"))
        listing = plugin.liquidation_list()
        sip.delete(settings)
        plugin.detach()
        assert not second.isEnabled()
        sip.delete(listing)
