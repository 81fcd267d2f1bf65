/* print.h - prints a text in one of many ways, to show that each of them is captured. */
#ifndef BASICS_PRINT_H
#define BASICS_PRINT_H

/* `way` is one of those that print.c lists; any other prints nothing. */
void print_text(const char *way, const char *text);

#endif
