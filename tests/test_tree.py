"""The page that shows the package is the package's own docstrings."""

from tests.tree import PAGE, page


def test_the_page_of_the_package_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.tree"


def test_every_file_says_what_it_is() -> None:
    assert not [line for line in page().splitlines() if line.endswith("|  |")]
