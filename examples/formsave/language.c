/* In which language the pages speak: what the reader chose, or what the browser asks for. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const tags[LANGUAGES] = {"en", "zh-CN", "zh-TW"};

static const char *const words[WORDS][LANGUAGES] = {
    [WORD_SAVING] = {"Saving your note", "正在保存你的便笺", "正在儲存你的便箋"},
    [WORD_TABLE] = {"Table ", "", ""},
    [WORD_IS_WRITTEN] = {" is written.", " 表已写入。", " 表已寫入。"},
    [WORD_TOLD] = {"The shutdown function was told", "关闭触发函数得知的结局是", "關閉觸發函式得知的結局是"},
    [WORD_BACK] = {"Back: what was saved", "返回：保存了什么", "返回：儲存了什麼"},
};

const char *language_tag(enum language language)
{
    return tags[language];
}

const char *language_word(enum language language, enum word word)
{
    return words[word][language];
}

/* A language by its tag, with what comes behind it (region, script); LANGUAGES: we do not speak it. */
static enum language by_tag(const char *tag, size_t length)
{
    static const struct {
        const char *tag;
        enum language language;
    } known[] = {{"zh-Hant", LANGUAGE_ZH_TW}, {"zh-TW", LANGUAGE_ZH_TW}, {"zh-HK", LANGUAGE_ZH_TW}, {"zh-MO", LANGUAGE_ZH_TW},
                 {"zh", LANGUAGE_ZH_CN},      {"en", LANGUAGE_EN}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(known[i].tag);
        if (length >= size && strncasecmp(tag, known[i].tag, size) == 0 && (length == size || tag[size] == '-'))
            return known[i].language;
    }
    return LANGUAGES;
}

/* As in "zh-TW,zh;q=0.9,en;q=0.8": the one with the largest q that we speak, the first of equals. */
static enum language of_header(const char *header)
{
    enum language best = LANGUAGE_EN;
    double most = 0;
    while (*header != '\0') {
        size_t part = strcspn(header, ","), tag = strcspn(header, ",;");
        const char *weight = memchr(header, '=', part);
        double q = weight == NULL ? 1 : strtod(weight + 1, NULL);
        enum language language = by_tag(header, tag);
        if (language != LANGUAGES && q > most) {
            most = q;
            best = language;
        }
        header += part;
        header += strspn(header, ", ");
    }
    return best;
}

enum language language_of(const struct http_request *http)
{
    char chosen[16];
    enum language language = LANGUAGES;
    if (http_field(http, "lang", chosen, sizeof chosen))
        language = by_tag(chosen, strlen(chosen));
    if (language == LANGUAGES)
        language = by_tag(http->cookie, strlen(http->cookie));
    return language == LANGUAGES ? of_header(http->languages) : language;
}
