// The tokenizer by itself: small files written here, files that are wrong, long and hostile texts, many threads.

#include "model/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace tidegate::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kBert =
    R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
constexpr std::string_view kVocab =
    R"({"[UNK]":0,"[CLS]":1,"[SEP]":2,"the":3,"cat":4,"##s":5,"a":6,"##n":7,".":8,"é":9,"中":10})";
constexpr std::string_view kTemplate =
    R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],
"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}})";

struct File {
    std::string normalizer{kBert};
    std::string pre_tokenizer = R"({"type":"BertPreTokenizer"})";
    std::string post_processor{kTemplate};
    std::string model =
        R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":10,"vocab":)" +
        std::string(kVocab) + "}";
    std::string truncation = "null";
    std::string added = "[]";
    std::string more;

    std::string text() const {
        return R"({"version":"1.0","truncation":)" + truncation + R"(,"padding":null,"added_tokens":)" + added +
               R"(,"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" +
               post_processor + R"(,"decoder":null,"model":)" + model + more + "}";
    }
};

Tokenizer made(const File& file) {
    auto tokenizer = Tokenizer::parse(file.text());
    EXPECT_TRUE(tokenizer) << tokenizer.error().message;
    return std::move(*tokenizer);
}

std::string refusal(const File& file) {
    const auto tokenizer = Tokenizer::parse(file.text());
    return tokenizer ? "it was taken" : tokenizer.error().message;
}

std::vector<std::uint32_t> ids(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options = {}) {
    Encoding encoding;
    const auto done = tokenizer.encode(text, encoding, options);
    EXPECT_TRUE(done) << done.error().message;
    return encoding.ids;
}

// Bytes of all letters, and "a" + "a" = "aa", "aa" + "aa" = "aaaa".
File byte_pairs() {
    File file;
    file.normalizer = "null";
    file.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
    file.post_processor = "null";
    file.model = R"({"type":"BPE","vocab":{"a":0,"b":1,"Ġ":2,"aa":3,"aaaa":4,"Ã":5,"©":6},"merges":["a a","aa aa"]})";
    return file;
}

TEST(Tokenizer, OffsetsStandInBytesAndInCharacters) {
    const Tokenizer tokenizer = made({});
    Encoding encoding;
    ASSERT_TRUE(tokenizer.encode("Thé Cats 中.", encoding));
    EXPECT_THAT(encoding.ids, ElementsAre(1, 3, 4, 5, 10, 8, 2));
    EXPECT_THAT(encoding.offsets, ElementsAre(Range{0, 0}, Range{0, 4}, Range{5, 8}, Range{8, 9}, Range{10, 13},
                                              Range{13, 14}, Range{0, 0}));
    EXPECT_THAT(encoding.char_offsets, ElementsAre(Range{0, 0}, Range{0, 3}, Range{4, 7}, Range{7, 8}, Range{9, 10},
                                                   Range{10, 11}, Range{0, 0}));
    EXPECT_THAT(encoding.words, ElementsAre(Encoding::kNoWord, 0, 1, 1, 2, 3, Encoding::kNoWord));
    EXPECT_THAT(encoding.special_mask, ElementsAre(1, 0, 0, 0, 0, 0, 1));
}

TEST(Tokenizer, AWordThatCannotBeCutWholeIsOneUnknownToken) {
    const Tokenizer tokenizer = made({});
    EXPECT_THAT(ids(tokenizer, "catx"), ElementsAre(1, 0, 2));
    EXPECT_THAT(ids(tokenizer, "annnnnnnnn"), ElementsAre(1, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2));
    EXPECT_THAT(ids(tokenizer, "annnnnnnnnn"), ElementsAre(1, 0, 2)) << "eleven characters, of at most ten";
}

TEST(Tokenizer, ALongTextIsCutToTheLimitSpecialTokensCounted) {
    const Tokenizer tokenizer = made({.truncation = R"({"max_length":4,"strategy":"LongestFirst","stride":0})"});
    Encoding encoding;
    ASSERT_TRUE(tokenizer.encode("the cat the cat", encoding));
    EXPECT_THAT(encoding.ids, ElementsAre(1, 3, 4, 2));
    EXPECT_TRUE(encoding.is_truncated);
    ASSERT_TRUE(tokenizer.encode("the cat", encoding));
    EXPECT_FALSE(encoding.is_truncated);
    EXPECT_THAT(ids(tokenizer, "the cat the cat", {.tokens_max = 5}), ElementsAre(1, 3, 4, 3, 2));
    EXPECT_THAT(ids(tokenizer, "the cat the cat", {.truncate = false}), ElementsAre(1, 3, 4, 3, 4, 2));
    EXPECT_FALSE(tokenizer.encode("the", encoding, {.tokens_max = 1})) << "no room for [CLS] and [SEP]";
}

TEST(Tokenizer, WithoutOffsetsTheIdsAreTheSame) {
    const Tokenizer tokenizer = made({});
    Encoding encoding;
    ASSERT_TRUE(tokenizer.encode_pair("the cats", "a cat.", encoding, {.with_offsets = false}));
    EXPECT_THAT(encoding.ids, ElementsAre(1, 3, 4, 5, 2, 6, 4, 8, 2));
    EXPECT_THAT(encoding.type_ids, ElementsAre(0, 0, 0, 0, 0, 1, 1, 1, 1));
    EXPECT_TRUE(encoding.offsets.empty() && encoding.char_offsets.empty() && encoding.words.empty());
}

TEST(Tokenizer, APartOfACharacterStandsForTheWholeOfIt) {
    const Tokenizer tokenizer = made(byte_pairs());
    Encoding encoding;
    ASSERT_TRUE(tokenizer.encode("aé", encoding));
    EXPECT_THAT(encoding.ids, ElementsAre(0, 5, 6));
    EXPECT_THAT(encoding.offsets, ElementsAre(Range{0, 1}, Range{1, 3}, Range{1, 3}));
    EXPECT_THAT(encoding.char_offsets, ElementsAre(Range{0, 1}, Range{1, 2}, Range{1, 2}));
}

TEST(Tokenizer, LongWordsAreMergedAsShortOnesAre) {
    const Tokenizer tokenizer = made(byte_pairs());
    for (const std::size_t count : {1U, 7U, 40U, 48U, 49U, 50U, 1'003U}) {
        const auto got = ids(tokenizer, std::string(count, 'a'));
        std::vector<std::uint32_t> wanted(count / 4, 4);
        if (count % 4 >= 2) wanted.push_back(3);
        if (count % 2 == 1) wanted.push_back(0);
        EXPECT_EQ(got, wanted) << count;
    }
}

TEST(Tokenizer, AWordOfAMegabyteDoesNotTakeQuadraticTime) {
    const Tokenizer tokenizer = made(byte_pairs());
    EXPECT_EQ(ids(tokenizer, std::string(1'000'000, 'a')).size(), 250'000U);
    std::string marks;
    for (int i = 0; i < 300'000; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";
    const Tokenizer bert = made({.normalizer = R"({"type":"NFD"})"});
    EXPECT_EQ(ids(bert, "e" + marks).size(), 3U);
}

TEST(Tokenizer, BytesThatAreNoUtf8AreRefused) {
    const Tokenizer tokenizer = made({});
    Encoding encoding;
    for (const std::string_view text : {"\xC3", "a\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\x80"}) {
        const auto done = tokenizer.encode(text, encoding);
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(tokenizer.encode(std::string(Tokenizer::kTextMax + 1, 'a'), encoding).error().code, ErrorCode::kTooLarge);
}

TEST(Tokenizer, WhatIsNotKnownIsNamed) {
    EXPECT_THAT(refusal({.normalizer = R"({"type":"Precompiled","precompiled_charsmap":""})"}),
                HasSubstr(R"(the normalizer "Precompiled" is not known)"));
    EXPECT_THAT(refusal({.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]})"}),
                HasSubstr(R"("Nmt")"));
    EXPECT_THAT(refusal({.pre_tokenizer = R"({"type":"UnicodeScripts"})"}),
                HasSubstr(R"(the pre_tokenizer "UnicodeScripts" is not known)"));
    EXPECT_THAT(
        refusal({.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated","invert":false})"}),
        HasSubstr("cannot be read"));
    EXPECT_THAT(refusal({.pre_tokenizer = R"({"type":"Digits","individual_digits":true,"colour":1})"}),
                HasSubstr(R"("colour")"));
    EXPECT_THAT(refusal({.post_processor = R"({"type":"Other"})"}),
                HasSubstr(R"(the post_processor "Other" is not known)"));
    EXPECT_THAT(refusal({.model = R"({"type":"Unigram","unk_id":0,"vocab":[]})"}),
                HasSubstr(R"(the model "Unigram" is not known)"));
    EXPECT_THAT(refusal({.more = R"(,"extra":1)"}), HasSubstr(R"("extra")"));
    EXPECT_THAT(refusal({.added = R"([{"id":3,"content":"x","special":true}])"}), HasSubstr("the id 3"));
    EXPECT_THAT(refusal({.model = R"({"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]})"}), HasSubstr("merge"));
    EXPECT_THAT(refusal({.model = R"({"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]})"}),
                HasSubstr("dropout"));
}

TEST(Tokenizer, NumbersOutOfRangeAreRefused) {
    for (const std::string_view id :
         {"-1", "1.5", "4194304", "9223372036854775807", "18446744073709551615", "null", "\"1\""}) {
        File file;
        file.model =
            R"({"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":10,"vocab":{"u":)" +
            std::string(id) + "}}";
        EXPECT_THAT(refusal(file), HasSubstr("an id is no whole number")) << id;
    }
    EXPECT_THAT(refusal({.truncation = R"({"max_length":18446744073709551615,"strategy":"LongestFirst","stride":0})"}),
                HasSubstr("max_length"));
}

TEST(Tokenizer, AnExpressionThatRunsForEverIsStopped) {
    const Tokenizer tokenizer = made(
        {.normalizer = "null",
         .pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"(a+)+$b"},"behavior":"Isolated","invert":false})"});
    Encoding encoding;
    const auto done = tokenizer.encode(std::string(5'000, 'a') + "c", encoding);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kResourceExhausted);
}

TEST(Tokenizer, ManyThreadsShareOne) {
    const Tokenizer words = made({});
    const Tokenizer pairs = made(byte_pairs());
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
        threads.emplace_back([&, t] {
            Encoding encoding;
            for (int i = 0; i < 500; ++i) {
                const bool is_right = words.encode("The cats a cat.", encoding).has_value() &&
                                      encoding.ids.size() == 8 && pairs.encode("aaaab aa", encoding).has_value() &&
                                      encoding.ids == std::vector<std::uint32_t>{4, 1, 2, 3};
                wrong[t] += is_right ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace tidegate::model
