"""Makes C of the page: its bytes, and the policy that allows its own style and script.

The policy (Content Security Policy) names both by their hashes, so that nothing else
would ever run in the page, whatever a name in it says.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path


def digest(tag, text):
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
    assert len(found) == 1, f"the page has one <{tag}>"
    raw = hashlib.sha256(found[0].encode()).digest()
    return f"'sha256-{base64.b64encode(raw).decode()}'"


def main():
    page = Path(sys.argv[1]).read_bytes()
    text = page.decode()
    policy = "; ".join([
        "default-src 'none'", f"script-src {digest('script', text)}",
        f"style-src {digest('style', text)}", "connect-src 'self'", "img-src data:",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
    rows = [", ".join(f"{byte}" for byte in page[i:i + 20])
            for i in range(0, len(page), 20)]
    print('#include "page.h"\n')
    print(f'const char page_policy[] = "{policy}";')
    print(f"const unsigned char page_bytes[] = {{\n{chr(44).join(row + chr(10) for row in rows)}}};")
    print(f"const size_t page_html_length = {len(page)};")


main()
