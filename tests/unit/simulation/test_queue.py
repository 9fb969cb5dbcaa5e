import pytest

from service.simulation.queue import PatientQueue, ProportionalQueue


@pytest.mark.parametrize(
    ("power", "gone", "ahead", "behind", "expected"),
    [
        (1.0, 40, 50, 50, 20),
        (1.0, 10, 30, 60, 3),
        (1.0, 1, 30, 60, 0),
        (1.0, 7, 5, 0, 5),
        (1.0, 7, 0, 9, 0),
        (2.0, 10, 20, 10, 8),
        (0.0, 10, 99, 1, 5),
    ],
)
def test_proportional_queue_when_lots_leave_then_those_ahead_by_their_share(
    power: float, gone: int, ahead: int, behind: int, expected: int
) -> None:
    assert ProportionalQueue(power).ahead_of_us(gone, ahead, behind) == expected


def test_proportional_queue_when_power_is_large_then_does_not_overflow() -> None:
    assert ProportionalQueue(10.0).ahead_of_us(10**9, 10**12, 10**12) == 5 * 10**8


@pytest.mark.parametrize(
    ("gone", "ahead", "behind", "expected"), [(10, 50, 10, 0), (11, 50, 10, 1), (99, 50, 10, 50)]
)
def test_patient_queue_when_lots_leave_then_those_behind_go_first(
    gone: int, ahead: int, behind: int, expected: int
) -> None:
    assert PatientQueue().ahead_of_us(gone, ahead, behind) == expected


def test_proportional_queue_when_power_is_negative_then_says_so() -> None:
    with pytest.raises(ValueError, match="queue power"):
        ProportionalQueue(-1.0)
