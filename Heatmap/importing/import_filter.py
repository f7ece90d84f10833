"""Filter of imported events by symbol, and conversion of COIN-M contracts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import LiquidationEvent, Source
from Heatmap.importing.row import COIN_M_REFUSAL, Parsed, SkippedRow, coin_of, converted
from Heatmap.ingestion.addresses import normalise_symbol
from Heatmap.ingestion.contracts import ContractSize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from Heatmap.importing.cell import TimeUnit
    from Heatmap.importing.column_names import ColumnMap

_USD_COINS: Final = frozenset({"USDT", "USDC", "BUSD", "FDUSD"})


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of the command line; `SettingsError` for what is no symbol, or a COIN-M one as ``coin_m_as``."""

    symbol: str | None = None  # take only this symbol; also the symbol of a file that names none
    coin_m_as: str | None = None  # store COIN-M contracts of the same coin under this USD-M symbol
    keep_raw: bool = False  # store forceOrder frames beside their events
    columns: ColumnMap | None = None  # the columns of a table, as the user names them
    time_unit: TimeUnit | None = None  # of the times in a table; None: by their magnitude
    symbol_suffix: str = ""  # what completes the names in a table to symbols
    claims_coverage: bool = False  # the user says that the files have all liquidations of their span
    contract_sizes: Mapping[str, ContractSize] = field(default_factory=dict)  # by symbol, as the user gives them

    def __post_init__(self) -> None:
        for name in ("symbol", "coin_m_as"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, normalise_symbol(value))
        if self.symbol_suffix:
            object.__setattr__(self, "symbol_suffix", normalise_symbol(self.symbol_suffix))
        if self.coin_m_as is not None and coin_of(self.coin_m_as) is not None:
            raise SettingsError(f"expected a USD-M symbol such as BTCUSDT for COIN-M contracts, was {self.coin_m_as}")


def parsed_sizes(texts: Iterable[str]) -> dict[str, ContractSize]:
    """Return contract sizes given as ``BTCUSDT=0.01``: coins of one contract; `SettingsError` for anything else."""
    sizes: dict[str, ContractSize] = {}
    for text in texts:
        symbol, _, coins = text.partition("=")
        try:
            sizes[normalise_symbol(symbol)] = ContractSize(float(coins))
        except ValueError:
            raise SettingsError(
                f"expected a size like BTCUSDT=0.01, was {text!r}",
                short=f"--contract-size: “{text}” is not like BTCUSDT=0.01, the coins of one contract.",
            ) from None
    return sizes


def apply_filter(parsed: Parsed, options: ImportOptions, *, counts_contracts: bool) -> Parsed:
    """Return the event as it is to be stored, or why it is skipped.

    ``counts_contracts`` is True if the file gives COIN-M quantities in contracts, so that they can be converted;
    `RowError` if a COIN-M contract would be taken for a USD-M one.
    """
    if isinstance(parsed, SkippedRow):
        return parsed
    coin = coin_of(parsed.symbol)
    if coin is None or parsed.source != Source.BINANCE:
        wanted = options.symbol is None or parsed.symbol == options.symbol
        return parsed if wanted else SkippedRow("other-symbol")
    if not counts_contracts:
        raise RowError("coin-margined", f"{parsed.symbol} is {COIN_M_REFUSAL}")
    return _coin_margined(parsed, coin, options)


def _coin_margined(event: LiquidationEvent, coin: str, options: ImportOptions) -> Parsed:
    target = options.coin_m_as
    if target is not None and _is_of(target, coin) and options.symbol in (None, target, event.symbol):
        return converted(event, target)
    if options.symbol is None or options.symbol == event.symbol:
        return converted(event, event.symbol)
    if not _is_of(options.symbol, coin):
        return SkippedRow("other-symbol")
    raise RowError(
        "coin-margined",
        f"{event.symbol} is a COIN-M contract and not {options.symbol}; "
        f"`--coin-m-as {options.symbol}` converts and marks it",
    )


def _is_of(symbol: str, coin: str) -> bool:
    """Return True if a USD-M symbol is of this coin: BTCUSDT is of BTC, BTCDOMUSDT is not."""
    return symbol.startswith(coin) and symbol.removeprefix(coin) in _USD_COINS
