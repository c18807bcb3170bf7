// SPDX-License-Identifier: Apache-2.0
// The only file that sees simdjson. Its first stage checks the encoding and finds, 64 bytes at a
// time, where every token begins; the walk over those tokens is here, because it has to do what no
// ready-made front of simdjson does at once: check the whole text, touch each token once, and hand
// out numbers as they were written. No exception leaves this file.
#include "core/formats/json.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include "core/formats/plain.h"
}

namespace
{

// A key as two words that compare at once: its length and its first eight bytes.
struct key_word {
    size_t length;
    uint64_t word;

    explicit key_word(std::string_view key)
        : length(key.size()),
          word(key.empty() ? 0 : mr_plain_load(key.data(), std::min<size_t>(key.size(), 8)))
    {
    }
    bool operator==(const key_word &other) const
    {
        return length == other.length && word == other.word;
    }
    bool is_whole() const
    {
        return length <= sizeof word;
    }
};

// The paths as a tree: every step is a key or an index.
struct step_node {
    std::string key;
    key_word word{std::string_view()};
    long index = -1;              // of an array; -1: a key
    std::vector<unsigned> values; // the paths that end here
    std::vector<std::unique_ptr<step_node>> children;
    // The keys that the last object here had, in their order, and where they led: the next object
    // will have the same.
    struct member {
        key_word word{std::string_view()};
        step_node *child = nullptr;
    } members[32];

    step_node *child_at(long wanted)
    {
        for (auto &child : children)
            if (child->index == wanted)
                return child.get();
        return nullptr;
    }
    step_node *child_of(std::string_view wanted)
    {
        key_word wanted_word(wanted);
        for (auto &child : children)
            if (child->index < 0 && child->word == wanted_word &&
                (wanted_word.is_whole() || child->key == wanted))
                return child.get();
        return nullptr;
    }
    // The same for the key that is the `at`-th of its object.
    step_node *child_of(std::string_view wanted, size_t at)
    {
        key_word wanted_word(wanted);
        if (at >= MR_COUNT_OF(members) || !wanted_word.is_whole() || wanted.empty())
            return child_of(wanted);
        member &known = members[at];
        if (!(known.word == wanted_word))
            known = {wanted_word, child_of(wanted)};
        return known.child;
    }
    step_node *grow(const std::string &step_key, long step_index)
    {
        step_node *found = step_index >= 0 ? child_at(step_index) : child_of(step_key);
        if (found)
            return found;
        children.push_back(std::make_unique<step_node>());
        children.back()->key = step_key;
        children.back()->word = key_word(step_key);
        children.back()->index = step_index;
        return children.back().get();
    }
};

} // namespace

struct mr_json_reader {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
    step_node root;
    unsigned path_count = 0;
    size_t text_bytes_max = 0;
    std::unique_ptr<char[]> unescaped; // strings with escapes, and keys on the way
};

namespace
{

// ---- paths -------------------------------------------------------------------------------------

int fail_path(const char *path, const char *at, const char *expected, mr_error *err)
{
    if (*at)
        return mr_fail(err, MR_ERR_CONFIG,
                       "JSON path \"%s\": found '%c' at character %zu, expected %s", path, *at,
                       static_cast<size_t>(at - path) + 1, expected);
    return mr_fail(err, MR_ERR_CONFIG, "JSON path \"%s\": ends where %s was expected", path,
                   expected);
}

// "[12]": at stands behind the opening bracket.
const char *parse_index(const char *at, long *index)
{
    const char *first = at;
    for (*index = 0; *at >= '0' && *at <= '9' && at - first < 9; at++)
        *index = *index * 10 + (*at - '0');
    return at == first || *at != ']' ? nullptr : at + 1;
}

const char *parse_key(const char *at, std::string *key)
{
    for (; *at && *at != '.' && *at != '['; at++) {
        if (*at == '\\' && at[1])
            at++;
        key->push_back(*at);
    }
    return at;
}

int add_path(step_node *root, const char *path, unsigned value, mr_error *err)
{
    step_node *node = root;
    const char *at = path;
    bool want_key = *at != '[';
    while (*at || want_key) {
        std::string key;
        long index = -1;
        if (*at == '[' && !want_key) {
            const char *behind = parse_index(at + 1, &index);
            if (!behind)
                return fail_path(path, at + 1, "an index and ]", err);
            at = behind;
        } else {
            const char *behind = parse_key(at, &key);
            if (behind == at)
                return fail_path(path, at, "a key", err);
            at = behind;
        }
        node = node->grow(key, index);
        want_key = *at == '.';
        if (want_key)
            at++;
        else if (*at && *at != '[')
            return fail_path(path, at, ". or [", err);
    }
    node->values.push_back(value);
    return MR_OK;
}

// ---- strings -----------------------------------------------------------------------------------

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Four hex digits at `at`, or -1.
long hex_unit(const char *at, const char *end)
{
    long unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

char *put_utf8(char *out, unsigned long code)
{
    if (code < 0x80) {
        *out++ = static_cast<char>(code);
        return out;
    }
    if (code < 0x800) {
        *out++ = static_cast<char>(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = static_cast<char>(0xE0 | code >> 12);
        } else {
            *out++ = static_cast<char>(0xF0 | code >> 18);
            *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
        }
        *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
    return out;
}

// Behind "\u". Moves *at behind the escape, and behind the second half of a pair. -1: not
// hexadecimal.
long unicode_escape(const char **at, const char *end)
{
    long unit = hex_unit(*at, end);
    if (unit < 0)
        return -1;
    *at += 4;
    if (unit < 0xD800 || unit > 0xDFFF)
        return unit;
    if (unit < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        long low = hex_unit(*at + 2, end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 6;
            return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return 0xFFFD;
}

// Resolves the escapes of [at, end) into `out`, which has room for as many bytes; returns the end
// of what it wrote. On a bad escape NULL, and *bad where it stands.
char *unescape(const char *at, const char *end, char *out, const char **bad)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        *bad = at++;
        if (at == end)
            return nullptr;
        char escape = *at++;
        if (escape == 'u') {
            long code = unicode_escape(&at, end);
            if (code < 0)
                return nullptr;
            out = put_utf8(out, static_cast<unsigned long>(code));
            continue;
        }
        const char *known = escape ? strchr(from, escape) : nullptr;
        if (!known)
            return nullptr;
        *out++ = to[known - from];
    }
    return out;
}

// ---- the walk ----------------------------------------------------------------------------------

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class walk
{
  public:
    walk(mr_json_reader *json, const char *text, size_t length, mr_span *values,
         mr_json_problem *problem)
        : text_(text), length_(length), values_(values), problem_(problem),
          token_(json->stage->structural_indexes.get()),
          tokens_end_(token_ + json->stage->n_structural_indexes),
          unescaped_(json->unescaped.get()), has_escapes_(memchr(text, '\\', length) != nullptr)
    {
    }

    bool document(step_node *root)
    {
        if (!value(root, 0))
            return false;
        return token_ == tokens_end_ || fail(offset(), "the end of the text");
    }

  private:
    const char *text_;
    size_t length_;
    mr_span *values_;
    mr_json_problem *problem_;
    const uint32_t *token_, *tokens_end_;
    char *unescaped_;
    bool has_escapes_; // anywhere in the text

    size_t offset() const
    {
        return token_ < tokens_end_ ? *token_ : length_;
    }
    char peek() const
    {
        return token_ < tokens_end_ ? text_[*token_] : '\0';
    }
    // Where the token at `token_` ends: before the next one, white space taken off.
    const char *token_end() const
    {
        const char *end = text_ + (token_ + 1 < tokens_end_ ? token_[1] : length_);
        while (static_cast<unsigned char>(end[-1]) <= ' ' && is_space(end[-1]))
            end--;
        return end;
    }

    bool fail(size_t at, const char *expected)
    {
        problem_->offset = at;
        if (at >= length_)
            snprintf(problem_->text, sizeof problem_->text,
                     "found the end of the text, expected %s", expected);
        else {
            int shown = 0; // up to the next white space, and no half characters
            while (at + shown < length_ && shown < 24 && text_[at + shown] > ' ' &&
                   text_[at + shown] < 0x7F)
                shown++;
            if (shown == 0)
                snprintf(problem_->text, sizeof problem_->text, "found a byte 0x%02x, expected %s",
                         (unsigned char)text_[at], expected);
            else
                snprintf(problem_->text, sizeof problem_->text, "found %.*s, expected %s", shown,
                         text_ + at, expected);
        }
        return false;
    }

    void give(const step_node *node, const char *begin, const char *end, mr_span_kind kind)
    {
        for (unsigned value : node->values)
            if (values_[value].kind == MR_SPAN_MISSING)
                values_[value] = {begin, static_cast<uint32_t>(end - begin),
                                  static_cast<uint8_t>(kind)};
    }

    bool value(step_node *node, int depth)
    {
        switch (peek()) {
        case '{':
            return container(node, depth, true);
        case '[':
            return container(node, depth, false);
        case '"': {
            std::string_view content;
            if (!string(node && !node->values.empty(), &content))
                return false;
            if (node)
                give(node, content.data(), content.data() + content.size(), MR_SPAN_STRING);
            return true;
        }
        case 't':
            return literal(node, "true", MR_SPAN_BOOL);
        case 'f':
            return literal(node, "false", MR_SPAN_BOOL);
        case 'n':
            return literal(node, "null", MR_SPAN_NULL);
        default:
            return number(node);
        }
    }

    bool container(step_node *node, int depth, bool object)
    {
        const char *begin = text_ + offset(), close = object ? '}' : ']';
        if (depth == MR_JSON_DEPTH_MAX)
            return fail(offset(), "at most 256 levels of nesting");
        static_assert(MR_JSON_DEPTH_MAX == 256, "the sentence above");
        token_++;
        if (peek() == close)
            token_++;
        else if (!(object ? members(node, depth) : elements(node, depth)))
            return false;
        if (node && !node->values.empty())
            give(node, begin, text_ + token_[-1] + 1, MR_SPAN_CONTAINER);
        return true;
    }

    bool members(step_node *node, int depth)
    {
        for (size_t at = 0;; at++) {
            std::string_view key;
            if (peek() != '"')
                return fail(offset(), "a key in quotes");
            if (!string(node != nullptr, &key))
                return false;
            if (peek() != ':')
                return fail(offset(), "a colon");
            token_++;
            if (!value(node ? node->child_of(key, at) : nullptr, depth + 1))
                return false;
            char behind = peek();
            if (behind != ',' && behind != '}')
                return fail(offset(), "a comma or }");
            token_++;
            if (behind == '}')
                return true;
        }
    }

    bool elements(step_node *node, int depth)
    {
        for (long index = 0;; index++) {
            if (!value(node ? node->child_at(index) : nullptr, depth + 1))
                return false;
            char behind = peek();
            if (behind != ',' && behind != ']')
                return fail(offset(), "a comma or ]");
            token_++;
            if (behind == ']')
                return true;
        }
    }

    // The content of the string at `token_`. Where it has escapes they are checked, and resolved if
    // it is `wanted`.
    bool string(bool wanted, std::string_view *content)
    {
        const char *begin = text_ + *token_ + 1, *end = token_end() - 1;
        if (end < begin || *end != '"')
            return fail(offset(), "a closing quote");
        token_++;
        *content = {begin, static_cast<size_t>(end - begin)};
        if (MR_LIKELY(!has_escapes_ || !memchr(begin, '\\', content->size())))
            return true;
        const char *bad = nullptr;
        char *written = unescape(begin, end, unescaped_, &bad);
        if (!written)
            return fail(static_cast<size_t>(bad - text_), "an escape");
        *content = {unescaped_, static_cast<size_t>(written - unescaped_)};
        if (wanted)
            unescaped_ = written;
        return true;
    }

    bool literal(const step_node *node, const char *word, mr_span_kind kind)
    {
        const char *begin = text_ + offset(), *end = token_end();
        if (static_cast<size_t>(end - begin) != strlen(word) ||
            memcmp(begin, word, strlen(word)) != 0)
            return fail(offset(), "a value");
        token_++;
        if (node)
            give(node, begin, end, kind);
        return true;
    }

    static const char *digits(const char *at, const char *end)
    {
        while (at < end && static_cast<unsigned char>(*at - '0') < 10)
            at++;
        return at;
    }

    static bool is_digit(char c)
    {
        return static_cast<unsigned char>(c - '0') < 10;
    }

    // The same without an exponent, by words. False: look closer.
    static bool plain_number(const char *begin, const char *end, mr_span_kind *kind)
    {
        mr_plain number;
        if (!mr_plain_number(begin, static_cast<size_t>(end - begin), &number))
            return false;
        begin += number.negative;
        *kind = number.behind_point > 0 ? MR_SPAN_REAL : MR_SPAN_INTEGER;
        return is_digit(*begin) && is_digit(end[-1]) &&
               (*begin != '0' || end - begin == 1 || begin[1] == '.');
    }

    // -? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?
    bool number(const step_node *node)
    {
        if (token_ == tokens_end_)
            return fail(length_, "a value");
        const char *begin = text_ + offset(), *end = token_end();
        mr_span_kind kind = MR_SPAN_INTEGER;
        if (!MR_LIKELY(plain_number(begin, end, &kind)) && !any_number(begin, end, &kind))
            return fail(offset(), "a value");
        token_++;
        if (node)
            give(node, begin, end, kind);
        return true;
    }

    static bool any_number(const char *begin, const char *end, mr_span_kind *kind)
    {
        const char *first = begin + (*begin == '-'), *at = digits(first, end);
        *kind = MR_SPAN_INTEGER;
        bool good = at > first && (at == first + 1 || *first != '0');
        if (good && at < end && *at == '.') {
            first = at + 1;
            at = digits(first, end);
            good = at > first;
            *kind = MR_SPAN_REAL;
        }
        if (good && at < end && (*at | 0x20) == 'e') {
            first = at + 1;
            first += first < end && (*first == '+' || *first == '-');
            at = digits(first, end);
            good = at > first;
            *kind = MR_SPAN_REAL;
        }
        return good && at == end;
    }
};

// ---- what the first stage found ----------------------------------------------------------------

// The first stage says what is wrong, not where: the slow way finds the place.
size_t locate(const char *text, size_t length, simdjson::error_code code)
{
    size_t string_start = length;
    bool inside = false;
    if (code == simdjson::UTF8_ERROR) { // the longest prefix that is good
        size_t low = 0, high = length;
        while (low + 1 < high) {
            size_t middle = low + (high - low) / 2, cut = middle;
            while (cut > low && (text[cut] & 0xC0) == 0x80)
                cut--;
            if (simdjson::validate_utf8(text, cut) && cut > low)
                low = cut;
            else
                high = middle;
        }
        return low;
    }
    for (size_t i = 0; i < length; i++) {
        if (inside && static_cast<unsigned char>(text[i]) < 0x20 &&
            code == simdjson::UNESCAPED_CHARS)
            return i;
        if (inside && text[i] == '\\')
            i++;
        else if (text[i] == '"') {
            inside = !inside;
            string_start = i;
        }
    }
    return string_start;
}

bool explain(const char *text, size_t length, simdjson::error_code code, mr_json_problem *problem)
{
    const char *sentence = "found text that is not JSON, expected one JSON value";
    if (code == simdjson::UTF8_ERROR)
        sentence = "found a byte that is not UTF-8, expected UTF-8 text";
    else if (code == simdjson::UNESCAPED_CHARS)
        sentence = "found a control character in a string, expected it escaped";
    else if (code == simdjson::UNCLOSED_STRING)
        sentence = "found a string without end, expected a closing quote";
    else if (code == simdjson::EMPTY)
        sentence = "found nothing, expected one JSON value";
    problem->offset = code == simdjson::EMPTY ? 0 : locate(text, length, code);
    snprintf(problem->text, sizeof problem->text, "%s", sentence);
    return false;
}

} // namespace

int mr_json_reader_new(mr_json_reader **out, const char *const *paths, unsigned path_count,
                       size_t text_bytes_max, mr_error *err)
{
    *out = nullptr;
    if (path_count > MR_JSON_PATHS_MAX)
        return mr_fail(err, MR_ERR_CONFIG, "found %u JSON paths, expected at most %d", path_count,
                       MR_JSON_PATHS_MAX);
    try {
        auto json = std::make_unique<mr_json_reader>();
        json->path_count = path_count;
        json->text_bytes_max = text_bytes_max;
        for (unsigned i = 0; i < path_count; i++)
            if (add_path(&json->root, paths[i], i, err) != MR_OK)
                return MR_ERR_CONFIG;
        json->unescaped = std::make_unique<char[]>(text_bytes_max + 1);
        if (simdjson::get_active_implementation()->create_dom_parser_implementation(
                text_bytes_max, MR_JSON_DEPTH_MAX, json->stage) != simdjson::SUCCESS)
            throw std::bad_alloc();
        *out = json.release();
        return MR_OK;
    } catch (const std::bad_alloc &) {
        return mr_fail(err, MR_ERR_MEMORY, "no memory for JSON texts of up to %zu bytes",
                       text_bytes_max);
    }
}

void mr_json_reader_free(mr_json_reader *json)
{
    delete json;
}

bool mr_json_reader_read(mr_json_reader *json, const char *text, size_t length, mr_span *values,
                         mr_json_problem *problem)
{
    for (unsigned i = 0; i < json->path_count; i++)
        values[i] = {nullptr, 0, MR_SPAN_MISSING};
    if (length > json->text_bytes_max) {
        problem->offset = json->text_bytes_max;
        snprintf(problem->text, sizeof problem->text, "found %zu bytes, expected at most %zu",
                 length, json->text_bytes_max);
        return false;
    }
    simdjson::error_code code = json->stage->stage1(reinterpret_cast<const uint8_t *>(text), length,
                                                    simdjson::stage1_mode::regular);
    if (code != simdjson::SUCCESS)
        return explain(text, length, code, problem);
    return walk(json, text, length, values, problem).document(&json->root);
}
