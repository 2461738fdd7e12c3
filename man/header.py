"""Makes the section 3 page of a public header out of the header itself.

The comments there are the contract, so the page shows them as they stand: the first one
is the description, and each of the others explains the declarations below it. Prints
man(7) input.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

# Of a line of code: what a terminal of 80 columns has left beside man's margin and ours.
WIDTH = 69

# Of no interest to a reader: attributes, and the halves of an inline wrapper.
ATTRIBUTES = re.compile(
    r"\b(DIST_PUBLIC|static inline)\s+|\s*\bDIST_MUST_CHECK\b|\s*\bDIST_PRINTF\([^)]*\)")

COMMENT = re.compile(r"/\*.*?\*/", re.S)


def comment_lines(comment):
    """The text of a comment, without its frame."""
    first, *rest = comment[2:-2].strip().removeprefix("* ").splitlines()
    return [first] + [re.sub(r"^ \* ?", "", line).rstrip() for line in rest]


def blocks(body):
    """Pairs of a comment at the left margin and the code below it, in order."""
    starts = [match for match in COMMENT.finditer(body)
              if match.start() == 0 or body[match.start() - 1] == "\n"]
    yield "", body[:starts[0].start()]
    for match, following in zip(starts, [*starts[1:], None]):
        yield match[0], body[match.end():following.start() if following else len(body)]


def prototype(text):
    """One declaration, attributes out, broken at commas: beside the name, or below it."""
    text = re.sub(r"\* (?=\w)", "*", " ".join(ATTRIBUTES.sub("", text).split()))
    head, parenthesis, rest = text.partition("(")
    if not parenthesis:
        return text
    head += parenthesis
    parameters = [part.strip() for part in re.findall(r"[^,]+,?", rest)]
    below = len(head) + max(map(len, parameters)) > WIDTH
    hang = " " * (8 if below else len(head))
    # Only what stands between parameters is a place to break.
    lines = textwrap.wrap(" ".join(part.replace(" ", "\0") for part in parameters), WIDTH,
                          initial_indent=hang, subsequent_indent=hang,
                          break_long_words=False, break_on_hyphens=False)
    lines[:1] = [head, lines[0]] if below else [head + lines[0].lstrip()]
    return "\n".join(lines).replace("\0", " ")


def errors_table(piece):
    """The rows of an X-macro: what each value is called, and says of itself."""
    return "\n".join(textwrap.fill(f"DIST_{name:<12}{text}", WIDTH,
                                   subsequent_indent=" " * 17)
                     for name, text in re.findall(r'X\((\w+), "(.*)"\)', piece))


def comment_fitted(indent, text):
    """A comment inside of a struct, set anew."""
    one = f"{indent}/* {text} */"
    if len(one) <= WIDTH:
        return [one]
    lines = textwrap.wrap(text, WIDTH - len(indent) - 3, break_on_hyphens=False)
    return [f"{indent}/*", *(f"{indent} * {line}" for line in lines), f"{indent} */"]


def struct_fitted(piece):
    """A struct or an enum with lines that a terminal has room for."""
    lines, comment = [], None
    for line in piece.expandtabs(4).splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        if comment is None and line.lstrip().startswith("/*"):
            comment, column = [], indent
        if comment is not None:
            comment.append(line.strip().removeprefix("/*").removesuffix("*/")
                           .removeprefix("* ").strip(" *"))
            if line.endswith("*/"):
                lines += comment_fitted(column, " ".join(filter(None, comment)))
                comment = None
        elif len(line) > WIDTH and "/*" in line:
            code, _, beside = line.partition("/*")
            lines += [*comment_fitted(indent, beside.removesuffix("*/").strip()),
                      code.rstrip()]
        else:
            lines.append(line)
    return "\n".join(lines)


def shown(piece):
    """What the page has of one paragraph of code; "": nothing."""
    if re.match(r"#define DIST_ERRORS", piece):
        return errors_table(piece)
    if re.match(r"#define \w+(\(| .)", piece):
        return re.sub(r"\n#endif$", "", piece)
    if re.match(r"enum dist_err \{", piece):
        return ""  # the table has it all
    if re.match(r"(struct|enum) \w+ \{", piece):
        return struct_fitted(piece)
    piece = re.sub(r"^(#.*|DIST_\w+)$", "", piece, flags=re.M)
    found = re.findall(r"^\w[^;{]*;", piece, re.M)
    # _sized() is what an inline wrapper calls, and nothing to be called by hand.
    return "\n".join(prototype(one) for one in found
                     if not re.search(r"_sized\(|^struct \w+;", one))


def paragraphs(code):
    """Of code, split at empty lines; inline functions become prototypes."""
    code = re.sub(r"^\{\n.*?^\}$", ";", code, flags=re.S | re.M)
    code = re.sub(r"\)\n;", ");", code)
    kept = [shown(piece.strip("\n")) for piece in re.split(r"\n\s*\n", code)]
    return [piece for piece in kept if piece]


def title(lines):
    """The first sentence, as whatis(1) wants it: one line that begins in small letters."""
    first = re.split(r"[.;](?:\s|$)", " ".join(lines).replace("  ", " "))[0]
    return first[0].lower() + first[1:]


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def print_code(code):
    print(".nf\n.RS 4")
    for line in code.expandtabs(8).splitlines():
        print(escape(line))
    print(".RE\n.fi")


def print_prose(lines):
    """Paragraphs; @argument items; and indented lines, which are code."""
    in_code = in_item = False
    for line in lines:
        item = re.match(r"^@(\w+)\s{2,}(.*)", line)
        code = line.startswith("\t") or (line.startswith("   ") and not in_item)
        if in_code and not code:
            print(".RE\n.fi")
        if code and not in_code:
            print(".PP\n.nf\n.RS 4")
        in_code = code
        if code:
            print(escape(line.removeprefix("\t").expandtabs(8)))
        elif item:
            in_item = True
            print(f".TP\n.I {escape(item[1])}\n{escape(item[2])}")
        elif not line:
            in_item = False
            print(".PP")
        else:
            print(escape(line.strip()))
    if in_code:
        print(".RE\n.fi")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("header", type=Path)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()
    text = options.header.read_text()
    name = options.header.stem
    first = COMMENT.search(text)
    begin = re.search(r"^DIST_BEGIN_DECLS$", text, re.M)
    start = begin.start() if begin else first.end()
    lines = comment_lines(first[0])

    print(f'.TH DIST_{name.upper()} 3 "" "distribution {options.version}"')
    print(f".SH NAME\ndist_{name} \\- {escape(title(lines))}")
    print(f".SH SYNOPSIS\n.nf\n#include <dist/{name}.h>\n.PP")
    print("cc $(pkg\\-config \\-\\-cflags dist) ... $(pkg\\-config \\-\\-libs dist)\n.fi")
    print(".SH DESCRIPTION")
    print_prose(lines)
    print(".SH DECLARATIONS")
    for comment, code in blocks(text[start:]):
        # A comment tells of what follows it at once; the rest stands for itself.
        near, *far = paragraphs(code) or [""]
        if near:
            print_code(near)
        if comment and near:
            print(".PP")
            print_prose(comment_lines(comment))
        for piece in far:
            print(".PP")
            print_code(piece)
        print(".PP")
    print(".SH SEE ALSO\n.BR dist (7)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
