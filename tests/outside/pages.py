"""Markdown pages as what they hold: prose, and blocks to be run."""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\S*)[ ]*(.*)$")


@dataclass
class Block:
    page: str
    line: int        # of its fence, from 1
    language: str
    words: list      # after the language: "matrix.c"
    before: str      # the paragraph before it
    lines: list = field(default_factory=list)

    @property
    def text(self):
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def place(self):
        return f"{self.page}:{self.line}"


@dataclass
class Step:
    """One command of a console block, and what it prints."""

    host: str
    command: str
    output: list
    place: str

    @property
    def runs_on(self):
        return self.command.rstrip().endswith("&")


class Page:
    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.name
        self.blocks = []
        self.prose = []  # pairs of line number and text
        self._read()

    def _read(self):
        block, paragraph = None, []
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            fence = FENCE.match(line)
            if block:
                if line == "```":
                    block = None
                else:
                    block.lines.append(line)
            elif fence:
                block = Block(self.name, number, fence[1], fence[2].split(),
                              " ".join(paragraph))
                self.blocks.append(block)
            else:
                self.prose.append((number, line))
                # An empty line ends a paragraph, but not for the block below it.
                if line and self.prose[-2:-1] and not self.prose[-2][1]:
                    paragraph = []
                if line:
                    paragraph.append(line)
        assert block is None, f"{block.place}: a block without an end"

    def prose_text(self):
        return "\n".join(line for _, line in self.prose)

    def inline_code(self):
        """What stands between single backticks, with its line."""
        for number, line in self.prose:
            for code in re.findall(r"`([^`]+)`", line):
                yield number, code

    def rows(self, heading):
        """The rows of the first table below @heading: lists of cells."""
        below = self.prose_text().split(f"{heading}\n", 1)[1]
        found = re.search(r"^\|.*\n\|[ :|-]+\n((?:\|.*(?:\n|\Z))+)", below, re.M)
        # "\|" is a bar that ends no cell.
        return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
                for row in found[1].splitlines()]


PROMPT = re.compile(r"^(?:(\w+))?\$ (.*)$")


def steps(block):
    """A console block's commands: "$ " or "beta$ " begins one, "> " goes on with it."""
    found = []
    for number, line in enumerate(block.lines, block.line + 1):
        prompt = PROMPT.match(line)
        if prompt:
            found.append(Step(prompt[1] or "alpha", prompt[2], [],
                              f"{block.page}:{number}"))
        elif line.startswith("> ") and found and not found[-1].output:
            found[-1].command += f"\n{line[2:]}"
        else:
            assert found, f"{block.place}: output before the first command"
            found[-1].output.append(line)
    return found


def line_pattern(line):
    """A line of shown output; "..." in it stands for anything."""
    return ".*".join(re.escape(part) for part in line.split("..."))


def output_matches(shown, printed):
    """All lines, in order; a line that is "..." alone stands for any number of them."""
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else line_pattern(line) + r"\n"
                      for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None
