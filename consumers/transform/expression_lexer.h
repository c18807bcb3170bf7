// SPDX-License-Identifier: Apache-2.0
// The words of an expression. Private to the parser.
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_LEXER_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_LEXER_H

#include "core/base.h"

enum mr_token_kind {
    MR_TOKEN_END,
    MR_TOKEN_NUMBER,
    MR_TOKEN_TEXT,   // with its quotes
    MR_TOKEN_NAME,   // a field, a function, or one of true false null nil
    MR_TOKEN_SYMBOL, // an operator or a bracket, spelled as Lua has it (!= becomes ~=, && becomes
                     // and)
    MR_TOKEN_WRONG,  // `problem` says why
};

struct mr_token {
    enum mr_token_kind kind;
    size_t at, length;   // in the text
    char symbol[4];      // MR_TOKEN_SYMBOL
    const char *problem; // MR_TOKEN_WRONG
};

// The token at or after `from`.
struct mr_token mr_token_next(const char *text, size_t from);

#endif
