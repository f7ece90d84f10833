"""Actions of single settings: state, texts, shortcuts. Widgets only, no page."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QObject
from PyQt6.QtGui import QKeySequence

from Heatmap.errors import SettingsError
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.setting_action import SettingAction, choice_actions


@pytest.fixture
def parts(qapp):
    del qapp
    return SettingsModel(), Translator("en"), QObject()


def test_a_flag_follows_its_setting_and_sets_it(parts):
    settings, translator, parent = parts
    action = SettingAction("smooth", settings, translator, parent=parent)
    assert (action.text(), action.isChecked(), action.shortcut().isEmpty()) == ("Smooth cells", True, True)
    settings.update(smooth=False)
    assert not action.isChecked()
    action.trigger()
    assert settings.value.smooth
    translator.set_language("de")
    assert action.text() != "Smooth cells"


def test_the_tooltip_names_the_present_shortcut(parts):
    settings, translator, parent = parts
    action = SettingAction("enabled", settings, translator, parent=parent)
    assert action.toolTip().endswith(" (Ctrl+H)")
    action.setShortcut("F9")
    assert action.toolTip().endswith(" (F9)")
    action.setShortcut("")
    assert action.toolTip().endswith("either way.")


def test_one_choice_is_checked_and_a_click_on_it_changes_nothing(parts):
    settings, translator, parent = parts
    group = choice_actions("window", settings, translator, parent=parent)
    short, middle, long = group.actions()
    assert [action.shortcut() for action in group.actions()] == [QKeySequence(key) for key in "123"]
    assert (middle.isChecked(), middle.iconText(), middle.text()) == (True, "8h", "Window: 8 hours")
    long.trigger()
    assert settings.value.window == "2d"
    long.trigger()
    assert (settings.value.window, long.isChecked()) == ("2d", True)
    settings.update(window="2h")
    assert [action.isChecked() for action in group.actions()] == [True, False, False]
    assert group.checkedAction() is short


@pytest.mark.parametrize(("make", "key"), [(SettingAction, "window"), (SettingAction, "x"), (choice_actions, "gaps")])
def test_another_kind_of_setting_is_refused_with_the_possible_names(parts, make, key):
    settings, translator, parent = parts
    with pytest.raises(SettingsError, match=f"expected one of .*was {key!r}"):
        make(key, settings, translator, parent=parent)
