// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "consumers/transform/expression_lexer.h"

// Not ctype.h: what a letter is must not depend on the locale.
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t digits(const char *text)
{
    size_t count = 0;
    while (is_digit(text[count]))
        count++;
    return count;
}

static size_t number_length(const char *text)
{
    size_t length = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && is_hex(text[2])) {
        for (length = 2; is_hex(text[length]);)
            length++;
        return length;
    }
    length = digits(text);
    if (text[length] == '.' && text[length + 1] != '.')
        length += 1 + digits(text + length + 1);
    if (text[length] == 'e' || text[length] == 'E') {
        size_t sign = text[length + 1] == '+' || text[length + 1] == '-';
        size_t exponent = digits(text + length + 1 + sign);
        if (exponent > 0)
            length += 1 + sign + exponent;
    }
    return length;
}

static void read_number(const char *text, struct mr_token *token)
{
    token->kind = MR_TOKEN_NUMBER;
    token->length = number_length(text + token->at);
    if (is_letter(text[token->at + token->length])) {
        token->kind = MR_TOKEN_WRONG;
        token->problem = "a number that ends in a letter";
    }
}

static void read_text(const char *text, struct mr_token *token)
{
    const char *start = text + token->at;
    size_t i = 1;
    while (start[i] != '\0' && start[i] != start[0])
        i += start[i] == '\\' && start[i + 1] != '\0' ? 2 : 1;
    token->kind = start[i] ? MR_TOKEN_TEXT : MR_TOKEN_WRONG;
    token->length = start[i] ? i + 1 : i;
    token->problem = "text without its closing quote";
}

static void read_name(const char *text, struct mr_token *token)
{
    static const char *const words[] = {"and", "or", "not"};
    const char *start = text + token->at;
    size_t length = 1;
    while (is_letter(start[length]) || is_digit(start[length]))
        length++;
    token->kind = MR_TOKEN_NAME;
    token->length = length;
    for (size_t i = 0; i < MR_COUNT_OF(words); i++) {
        if (strlen(words[i]) != length || strncmp(start, words[i], length) != 0)
            continue;
        token->kind = MR_TOKEN_SYMBOL;
        snprintf(token->symbol, sizeof token->symbol, "%s", words[i]);
    }
}

static void read_symbol(const char *text, struct mr_token *token)
{
    static const struct {
        const char *written, *lua;
    } symbols[] = {
        // longer ones first
        {"==", "=="},  {"!=", "~="}, {"~=", "~="}, {"<>", "~="}, {"<=", "<="}, {">=", ">="},
        {"&&", "and"}, {"||", "or"}, {"..", ".."}, {"<", "<"},   {">", ">"},   {"+", "+"},
        {"-", "-"},    {"*", "*"},   {"/", "/"},   {"%", "%"},   {"^", "^"},   {"(", "("},
        {")", ")"},    {",", ","},   {".", "."},   {"!", "not"},
    };
    for (size_t i = 0; i < MR_COUNT_OF(symbols); i++) {
        size_t length = strlen(symbols[i].written);
        if (strncmp(text + token->at, symbols[i].written, length) != 0)
            continue;
        token->kind = MR_TOKEN_SYMBOL;
        token->length = length;
        snprintf(token->symbol, sizeof token->symbol, "%s", symbols[i].lua);
        return;
    }
    token->kind = MR_TOKEN_WRONG;
    token->length = 1;
    token->problem = text[token->at] == '=' ? "\"=\", which assigns; \"==\" compares"
                                            : "a character that no expression has";
}

struct mr_token mr_token_next(const char *text, size_t from)
{
    struct mr_token token = {.at = from + strspn(text + from, " \t\r\n")};
    char first = text[token.at];
    if (first == '\0')
        token.kind = MR_TOKEN_END;
    else if (is_digit(first) || (first == '.' && is_digit(text[token.at + 1])))
        read_number(text, &token);
    else if (first == '\'' || first == '"')
        read_text(text, &token);
    else if (is_letter(first))
        read_name(text, &token);
    else
        read_symbol(text, &token);
    return token;
}
