/*
 * Decimal numbers out of text, correctly rounded. Knows nothing of files or tables.
 *
 * Note [Three ways to a double]. A number w 10^e with an integer w below 2^64 is
 * - the quotient or product of two doubles that are exact, so that one rounding is left, if w is at
 *   most 2^53 and |e| at most 22 (Clinger, "How to read floating point numbers accurately", 1990);
 * - the 128-bit product w 5^e, or the 128-bit quotient of w and 5^-e with its remainder, if |e| is
 *   at most 27: 5^27 is below 2^63. This is where numbers printed with 17 digits go;
 * - a quotient of integers as long as need be, for all others.
 * The last two give 64 leading bits and whether anything follows them, which is all that rounding
 * must know.
 */
#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "autograd/compiler.h"
#include "data/number.h"

/* 767 digits decide how any number is rounded; of more it only matters whether one is not 0. */
enum { DIGITS = 19, DIGITS_KEPT = 770, EXACT_POWER = 22, WIDE_POWER = 27, WORDS = 160 };

/* ---- rounding -------------------------------------------------------------------------------- */

static double double_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* q 2^e, q with its highest bit set, and something below its last bit if `more`: to nearest, ties
 * to even. */
static double round_bits(uint64_t q, bool more, int64_t e)
{
    int64_t exponent = e + 63 + 1023; /* of the leading bit, biased */
    int drop = 11;                    /* bits of q beyond a double's 53 */
    if (exponent <= 0) {              /* below the normal range there are fewer */
        if (exponent < -53) {
            return 0;
        }
        drop += (int)(1 - exponent);
        exponent = 0;
    }
    uint64_t kept = drop < 64 ? q >> drop : 0, rest = drop < 64 ? q << (64 - drop) : q;
    more = more || (drop > 64 && (q & (((uint64_t)1 << (drop - 64)) - 1)) != 0);
    if (drop > 64) {
        rest = q >> (drop - 64);
    }
    const uint64_t half = (uint64_t)1 << 63;
    if (rest > half || (rest == half && (more || (kept & 1) != 0))) {
        kept++;
    }
    /* A mantissa that rounds up to the next power of two carries into the exponent, as it should. */
    uint64_t bits = exponent == 0 ? kept : ((uint64_t)(exponent - 1) << 52) + kept;
    const uint64_t infinite = (uint64_t)2047 << 52;
    return double_from_bits(exponent >= 2047 || bits > infinite ? infinite : bits);
}

static int leading_zeros(uint64_t w)
{
    int n = 0;
    for (int step = 32; step > 0; step /= 2) {
        if (w >> (64 - step) == 0) {
            w <<= step;
            n += step;
        }
    }
    return n;
}

/* ---- integers as long as need be ------------------------------------------------------------- */

/* 32-bit words, lowest first, without zeros at the end. */
struct big {
    int n;
    uint32_t word[WORDS];
};

static void big_multiply_add(struct big *a, uint32_t factor, uint32_t plus)
{
    uint64_t carry = plus;
    for (int i = 0; i < a->n; i++) {
        carry += (uint64_t)a->word[i] * factor;
        a->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0) {
        a->word[a->n++] = (uint32_t)carry;
    }
}

static void big_times_power_of_5(struct big *a, int64_t power)
{
    for (; power >= 13; power -= 13) {
        big_multiply_add(a, 1220703125, 0); /* 5^13 */
    }
    for (; power > 0; power--) {
        big_multiply_add(a, 5, 0);
    }
}

static int big_bits(const struct big *a)
{
    return 32 * a->n - (leading_zeros(a->word[a->n - 1]) - 32);
}

static void big_shift_left(struct big *a, int bits)
{
    int words = bits / 32;
    bits %= 32;
    if (bits > 0) {
        uint32_t carry = 0;
        for (int i = 0; i < a->n; i++) {
            uint32_t word = a->word[i];
            a->word[i] = word << bits | carry;
            carry = word >> (32 - bits);
        }
        if (carry > 0) {
            a->word[a->n++] = carry;
        }
    }
    if (words > 0) {
        memmove(a->word + words, a->word, (size_t)a->n * sizeof a->word[0]);
        memset(a->word, 0, (size_t)words * sizeof a->word[0]);
        a->n += words;
    }
}

static bool big_less(const struct big *a, const struct big *b)
{
    if (a->n != b->n) {
        return a->n < b->n;
    }
    for (int i = a->n - 1; i >= 0; i--) {
        if (a->word[i] != b->word[i]) {
            return a->word[i] < b->word[i];
        }
    }
    return false;
}

/* a -= b, where b is not larger. */
static void big_subtract(struct big *a, const struct big *b)
{
    uint64_t borrow = 0;
    for (int i = 0; i < a->n; i++) {
        uint64_t less = (i < b->n ? b->word[i] : 0) + borrow;
        borrow = a->word[i] < less;
        a->word[i] = (uint32_t)(a->word[i] - less);
    }
    while (a->n > 0 && a->word[a->n - 1] == 0) {
        a->n--;
    }
}

/* digits 10^e; the digits do not begin with 0. */
static double convert_long(const char *digits, int n, int64_t e)
{
    if (n + e > 310) {
        return double_from_bits((uint64_t)2047 << 52);
    }
    if (n + e < -330) {
        return 0;
    }
    struct big a = { .n = 0 }, b = { 1, { 1 } };
    for (int i = 0; i < n; i++) {
        big_multiply_add(&a, 10, (uint32_t)digits[i]);
    }
    big_times_power_of_5(e >= 0 ? &a : &b, e >= 0 ? e : -e);
    /* a / b 2^e: both are shifted until a lies in [b, 2 b), then 64 bits of the quotient follow. */
    int64_t scale = big_bits(&a) - big_bits(&b);
    big_shift_left(scale >= 0 ? &b : &a, (int)(scale >= 0 ? scale : -scale));
    if (big_less(&a, &b)) {
        big_shift_left(&a, 1);
        scale--;
    }
    uint64_t q = 0;
    for (int bit = 0; bit < 64; bit++) {
        q <<= 1;
        if (!big_less(&a, &b)) {
            big_subtract(&a, &b);
            q |= 1;
        }
        big_shift_left(&a, 1);
    }
    return round_bits(q, a.n > 0, e + scale - 63);
}

/* ---- numbers of up to 19 digits -------------------------------------------------------------- */

static const double exact_power[EXACT_POWER + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

#ifdef AG_UINT128
static double convert_wide(uint64_t w, int64_t e)
{
    uint64_t five = 1;
    for (int64_t i = e < 0 ? -e : e; i > 0; i--) {
        five *= 5;
    }
    if (e >= 0) {
        AG_UINT128 product = (AG_UINT128)w * five;
        uint64_t high = (uint64_t)(product >> 64);
        int zeros = high != 0 ? leading_zeros(high) : 64 + leading_zeros((uint64_t)product);
        product <<= zeros;
        return round_bits((uint64_t)(product >> 64), (uint64_t)product != 0, e + 64 - zeros);
    }
    /* Divisor and dividend fill their words, so that the quotient has 63 or 64 bits. */
    int w_zeros = leading_zeros(w), five_zeros = leading_zeros(five);
    w <<= w_zeros;
    five <<= five_zeros;
    AG_UINT128 dividend = (AG_UINT128)w << 63;
    uint64_t q = (uint64_t)(dividend / five), rest = (uint64_t)(dividend - (AG_UINT128)q * five);
    int64_t scale = e - 63 - w_zeros + five_zeros;
    if (q >> 63 == 0) {
        /* One bit more of the quotient, out of the remainder. */
        bool bit = rest >= five - rest;
        rest = bit ? rest - (five - rest) : 2 * rest;
        q = q << 1 | (bit ? 1 : 0);
        scale--;
    }
    return round_bits(q, rest != 0, scale);
}
#endif

static double convert_short(uint64_t w, int64_t e)
{
    if (w == 0) {
        return 0;
    }
    if (FLT_EVAL_METHOD == 0 && w <= (uint64_t)1 << 53 && e >= -EXACT_POWER && e <= EXACT_POWER) {
        return e < 0 ? (double)w / exact_power[-e] : (double)w * exact_power[e];
    }
#ifdef AG_UINT128
    if (e >= -WIDE_POWER && e <= WIDE_POWER) {
        return convert_wide(w, e);
    }
#endif
    char digits[DIGITS + 1];
    int n = 0;
    for (uint64_t rest = w; rest > 0; rest /= 10) {
        n++;
    }
    for (int i = n; i > 0; w /= 10) {
        digits[--i] = (char)(w % 10);
    }
    return convert_long(digits, n, e);
}

/* Digits from `text` to `end`, with a point or without; `e` counts from behind the last one. */
static double convert_digits(const char *text, const char *end, int64_t e)
{
    char digits[DIGITS_KEPT + 1];
    int n = 0;
    bool more = false;
    int64_t beyond = 0; /* digits that are not kept, before the end */
    for (; text < end; text++) {
        if (*text == '.' || (n == 0 && *text == '0')) {
            continue;
        }
        if (n < DIGITS_KEPT) {
            digits[n++] = (char)(*text - '0');
        } else {
            more = more || *text != '0';
            beyond++;
        }
    }
    if (more) {
        digits[n++] = 1;
        beyond--;
    }
    return n > 0 ? convert_long(digits, n, e + beyond) : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Where the letters of `word` end in `text`, in any case; NULL if they are not there. */
static const char *letters(const char *text, const char *word)
{
    for (; *word != '\0'; word++, text++) {
        if ((*text | 0x20) != *word) {
            return NULL;
        }
    }
    return text;
}

static const char *scan_infinity(const char *p, double *value)
{
    const char *end = letters(p, "infinity");
    end = end != NULL ? end : letters(p, "inf");
    *value = end != NULL ? double_from_bits((uint64_t)2047 << 52) : 0;
    return end;
}

/* The exponent behind an e; NULL if there is none. */
static const char *scan_exponent(const char *p, int64_t *exponent)
{
    bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    if (!is_digit(*p)) {
        return NULL;
    }
    int64_t e = 0;
    for (; is_digit(*p); p++) {
        e = e < INT64_C(1) << 40 ? 10 * e + (*p - '0') : e;
    }
    *exponent = negative ? -e : e;
    return p;
}

const char *data_number_scan(const char *text, double *value)
{
    const char *p = text;
    bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    const char *first = p;
    uint64_t w = 0; /* wraps only if there are more than 19 digits, and is not used then */
    for (; is_digit(*p); p++) {
        w = 10 * w + (uint64_t)(*p - '0');
    }
    int64_t digits = p - first, behind_point = 0;
    if (*p == '.') {
        const char *point = p++;
        for (; is_digit(*p); p++) {
            w = 10 * w + (uint64_t)(*p - '0');
        }
        behind_point = p - point - 1;
        digits += behind_point;
    }
    const char *last = p;
    if (digits == 0) {
        p = *text == '.' || first[0] == '.' ? NULL : scan_infinity(first, value);
        if (p != NULL && negative) {
            *value = -*value;
        }
        return p;
    }
    int64_t exponent = 0;
    if (*p == 'e' || *p == 'E') {
        p = scan_exponent(p + 1, &exponent);
        if (p == NULL) {
            return NULL;
        }
    }
    if (digits > DIGITS) {
        for (const char *zero = first; zero < last && (*zero == '0' || *zero == '.'); zero++) {
            digits -= *zero == '0';
        }
    }
    double v = digits <= DIGITS ? convert_short(w, exponent - behind_point)
                                : convert_digits(first, last, exponent - behind_point);
    *value = negative ? -v : v;
    return p;
}
