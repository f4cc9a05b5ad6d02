/*
 * Writing.
 */
#include "write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    const data_vocabulary *letters;
    FILE *stream; /* NULL: nothing is printed */
};

static bool hear(void *context, int64_t token)
{
    struct page *page = context;
    if (page->stream != NULL) {
        fputs(data_vocabulary_token(page->letters, token), page->stream);
        fflush(page->stream);
    }
    return true;
}

/* The tokens of a prompt, to be freed; NULL after an error. */
static int64_t *encode(const data_vocabulary *letters, const char *prompt, int64_t *n)
{
    int64_t size = (int64_t)strlen(prompt);
    int64_t *tokens = malloc((size_t)(size > 0 ? size : 1) * sizeof *tokens);
    if (tokens == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "out of memory for the prompt");
        return NULL;
    }
    *n = data_vocabulary_encode(letters, prompt, size, tokens);
    if (*n < 0) {
        free(tokens);
        return NULL;
    }
    return tokens;
}

bool write_line(struct net *net, const data_vocabulary *letters, int64_t n, char *line)
{
    ag_rng rng = ag_rng_seed(1);
    struct memory memory = { .net = net };
    nn_token_model model = memory_begin(&memory);
    nn_generation_config config = nn_generation_defaults();
    const int64_t first = 0; /* the end of a line, in any text that has lines */
    config.prompt = &first;
    config.prompt_length = 1;
    config.length = n;
    config.sampling.temperature = 0.8;
    int64_t *tokens = malloc((size_t)n * sizeof *tokens);
    int64_t made = tokens != NULL ? nn_generate(&model, config, &rng, tokens) : -1;
    if (made > 0) {
        data_vocabulary_decode(letters, made, tokens, line, 4 * n + 1);
        for (char *c = line; *c != '\0'; c++) {
            *c = *c == '\n' ? ' ' : *c;
        }
    }
    free(tokens);
    memory_end(&memory);
    return made > 0 && ag_exit_status() == 0;
}

static bool keep_text(const data_vocabulary *letters, int64_t n, const int64_t *tokens, json_t *record, const char *name)
{
    char *text = malloc((size_t)(4 * n + 1));
    bool good = text != NULL && data_vocabulary_decode(letters, n, tokens, text, 4 * n + 1) >= 0;
    if (good) {
        json_object_set_new(record, name, json_string(text));
    }
    free(text);
    return good;
}

/* One text at one temperature. */
static bool write_one(struct net *net, const struct page *page, const struct wishes *w, nn_generation_config config, json_t *texts)
{
    ag_rng rng = ag_rng_seed(w->seed);
    struct memory memory = { .net = net };
    nn_token_model model = memory_begin(&memory);
    char name[64];
    int64_t *tokens = malloc((size_t)config.length * sizeof *tokens);
    printf("\n--- temperature %g", config.sampling.temperature);
    if (config.sampling.top_k > 0) {
        printf(", the best %lld", (long long)config.sampling.top_k);
    }
    if (config.sampling.top_p < 1) {
        printf(", the likeliest %g %%", 100 * config.sampling.top_p);
    }
    printf("\n%s", w->prompt);
    int64_t n = tokens != NULL ? nn_generate(&model, config, &rng, tokens) : -1;
    printf("\n");
    snprintf(name, sizeof name, "temperature_%g", config.sampling.temperature);
    bool good = n >= 0 && keep_text(page->letters, n, tokens, texts, name);
    free(tokens);
    memory_end(&memory);
    return good;
}

static bool write_beam(struct net *net, const struct page *page, const struct wishes *w, const int64_t *prompt, int64_t n,
                       json_t *texts)
{
    struct memory memory = { .net = net };
    nn_token_model model = memory_begin(&memory);
    nn_beam_config config = nn_beam_defaults();
    nn_beams beams;
    config.prompt = prompt;
    config.prompt_length = n;
    config.length = w->length;
    config.width = w->beam;
    bool good = nn_beam_search(&model, config, &beams) == AG_OK;
    if (good) {
        const nn_beam *best = &beams.beam[0];
        printf("\n--- the likeliest text that beam search finds with %lld beams: %.3f bits a character\n%s", (long long)w->beam,
               -best->log_probability / log(2) / (double)best->length, w->prompt);
        struct page printed = { .letters = page->letters, .stream = stdout };
        for (int64_t i = 0; i < best->length; i++) {
            hear(&printed, best->tokens[i]);
        }
        printf("\n");
        good = keep_text(page->letters, best->length, best->tokens, texts, "beam");
    }
    nn_beams_free(&beams);
    memory_end(&memory);
    return good;
}

bool write_texts(struct net *net, const data_vocabulary *letters, const struct wishes *w, json_t *record)
{
    static const double several[] = { 0, 0.5, 0.8, 1 };
    struct page page = { .letters = letters, .stream = stdout };
    nn_generation_config config = nn_generation_defaults();
    json_t *texts = json_object();
    int64_t *prompt = encode(letters, w->prompt, &config.prompt_length);
    bool good = prompt != NULL;
    config.prompt = prompt;
    config.length = w->length;
    config.sampling.top_k = w->top_k;
    config.sampling.top_p = w->top_p;
    config.hear = hear;
    config.context = &page;
    if (good && w->beam > 0) {
        good = write_beam(net, &page, w, prompt, config.prompt_length, texts);
    } else if (good && !isnan(w->temperature)) {
        config.sampling.temperature = w->temperature;
        good = write_one(net, &page, w, config, texts);
    } else {
        for (size_t i = 0; good && i < sizeof several / sizeof several[0]; i++) {
            config.sampling.temperature = several[i];
            good = write_one(net, &page, w, config, texts);
        }
    }
    free(prompt);
    json_object_set_new(record, "prompt", json_string(w->prompt));
    json_object_set_new(record, "texts", texts);
    return good && ag_exit_status() == 0;
}
