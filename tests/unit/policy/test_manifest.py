"""What no parser gets through in a model's manifest is an error that names the file."""

import pytest

from service.policy.manifest import ManifestError, parse_manifest


@pytest.mark.parametrize(
    ("absurd", "said"),
    [
        ("9" * 5000, "cannot be read: a number is too long"),
        ("[" * 3000, "cannot be read: a number is too long, or brackets stand too deep"),
        ("0x" + "f" * 6000, "name: "),
        ("1e400", "name: "),
        ("nan", "name: "),
    ],
    ids=["digits", "brackets", "hexadecimal", "exponent", "nan"],
)
def test_absurd_numbers_are_errors_of_the_file(absurd: str, said: str) -> None:
    with pytest.raises(ManifestError, match=f"^M: .*{said}"):
        parse_manifest(f"name = {absurd}\n", "M")
