"""Daily losses: warn, then orders that reduce only, then none, latched until a person arms again (C22)."""

from __future__ import annotations

from service.gateway.books import Book
from service.gateway.cancels import insist_cancel
from service.gateway.state import State
from service.model.time import Now
from service.risk import LEVELS, LossStage
from service.risk.money import in_currency


def watch(state: State, now: Now) -> None:
    """Compare every book with its limit, if anything has moved. A latched stage never goes back by itself."""
    books = state.ledger.books
    if not books.moved:
        return
    moved, books.moved = books.moved, {}
    for book in moved:
        if book.loss <= 0 and book.stage is LossStage.NORMAL:
            continue
        stage = state.gate.loss_stage(book.level, book.name, book.loss)
        if stage > book.stage:
            _reached(state, book, stage, now)
        elif stage < book.stage < LossStage.REDUCE_ONLY:
            book.stage = stage


def _reached(state: State, book: Book, stage: LossStage, now: Now) -> None:
    book.stage = stage
    limit = state.gate.limits.at(book.level, book.name).max_daily_loss
    detail = f"level={book.level.value} name={book.name} loss={in_currency(book.loss)} limit={limit}"
    state.alarm(f"LOSS_{stage.name}", detail, "", now)
    if stage is LossStage.HALTED:
        at = LEVELS.index(book.level)
        for order in list(state.ledger.live.values()):
            if order.levels and order.levels[at] == book.name:
                insist_cancel(state, order, f"loss of {book.level.value} {book.name}", now)
