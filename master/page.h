/* page.html, as embed.py puts it into the program. */
#ifndef MASTER_PAGE_H
#define MASTER_PAGE_H

#include <stddef.h>

extern const char page_policy[]; /* its Content-Security-Policy */
extern const unsigned char page_bytes[];
extern const size_t page_html_length;

#define page_html ((const char *)page_bytes)

#endif
