"""Ceilings: what no configuration can loosen. Constants in code, changed by a review and a release only.

A limit is the smaller of what the limits file says and the ceiling here; a limits file that asks for more
than a ceiling is refused when it is loaded. docs/controls.md justifies each value.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from service.model.time import HOUR, MILLISECOND, SECOND

MAX_ORDER_QUANTITY: Final = 1_000_000
"""Lots of one order (C4)."""

MAX_ORDER_VALUE: Final = Decimal(10_000_000)
"""Currency units of one order (C3)."""

MAX_PARENT_QUANTITY: Final = 10_000_000
"""Lots of one parent (C4)."""

MAX_PARENT_VALUE: Final = Decimal(100_000_000)
"""Currency units of one parent (C3)."""

MAX_STAGE_ORDER_VALUE: Final = Decimal(1_000_000)
"""Currency units of one order of something that is still being introduced (C39)."""

MAX_STAGE_ORDERS: Final = 10_000
"""New orders and replaces in a day of something that is still being introduced (C39)."""

MAX_STAGE_POSITION: Final = 100_000
"""Lots in one instrument of something that is still being introduced (C39)."""

MAX_COLLAR_BPS: Final = 1_000
"""Distance of an order's price from the reference price (C1)."""

MAX_SPREAD_BPS: Final = 1_000
"""Spread in which new orders are still sent (C16)."""

MAX_DRIFT_BPS: Final = 2_000
"""How far the price may have gone against a parent since its admission (C2)."""

MAX_CALM_SPREAD_BPS: Final = 250
"""Spread up to which a market counts as calm (C9)."""

MAX_CALM_VOLATILITY_BPS: Final = 250
"""Volatility of one-minute returns up to which a market counts as calm (C9)."""

MAX_VOLUME_BPS: Final = 2_500
"""Position and working orders as a share of an average day's volume (C9)."""

MAX_PARTICIPATION_BPS: Final = 5_000
"""What we trade in an instrument in a day as a share of the day's volume so far (C9)."""

MAX_FIRST_LOTS: Final = 1_000_000
"""Lots of a day, per instrument, that need no share of the volume (C9)."""

MAX_CALM_CORRELATION: Final = 90
"""Per cent of correlation up to which two instruments count each by itself (C9)."""

MAX_CORRELATED_EXPOSURE: Final = Decimal(500_000_000)
"""Currency units of what moves together (C9)."""

MAX_LOCATE_AHEAD: Final = 24 * HOUR
"""How far ahead of market time a locate's end may lie for it to count (C15)."""

MAX_POSITION: Final = 10_000_000
"""Lots long or short in one instrument, working orders counted (C12)."""

MAX_GROSS: Final = 20_000_000
"""Lots of position and all working orders of one instrument together (C12)."""

MAX_EXPOSURE: Final = Decimal(1_000_000_000)
"""Currency units held and worked by one name at any level (C11)."""

MAX_CREDIT: Final = Decimal(2_000_000_000)
"""Currency units that one client trades in a day and works (C13)."""

MAX_DAILY_LOSS: Final = Decimal(10_000_000)
"""Currency units that one name at any level loses in a day (C22)."""

MAX_MESSAGES_PER_SECOND: Final = 2_000
"""New orders and replaces sent in any second, at any level (C5)."""

MAX_ORDERS_PER_MINUTE: Final = 30_000
"""New orders and replaces of one strategy in any minute before it is switched off (C8)."""

MAX_ALIKE: Final = 100
"""New orders that look the same within the window of look-alikes (C14)."""

MIN_ALIKE_WINDOW: Final = 100 * MILLISECOND
"""Shortest such window, UTC: a shorter one would count nothing (C14)."""

MAX_HEARTBEAT_AGE: Final = 5 * SECOND
"""Age of the feed's heartbeat, UTC (C16)."""

MAX_REFERENCE_AGE: Final = 60 * SECOND
"""Age of an instrument's reference snapshot, UTC (C16)."""

CLOCK_AHEAD: Final = 1 * SECOND
"""How far a feed's stamp may lie in our future before the clocks are not trusted (C47)."""
