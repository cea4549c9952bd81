// The tokenizer against the real Python package: 10,000 varied texts, pairs, truncation, and the code points one by one.

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "model/text/tokenizer.h"
#include "support/server_process.h"

namespace tidegate::model {
namespace {

std::string source_folder() {
    const char* folder = std::getenv("TIDEGATE_SOURCE_DIR");
    return folder != nullptr ? folder : ".";
}

// The ranges of code points that our ICU knows, for the script: Python may know later ones.
void write_assigned(const std::string& path) {
    std::ofstream out(path);
    int first = -1;
    for (UChar32 c = 0; c <= 0x110000; ++c) {
        const int category = c < 0x110000 ? u_charType(c) : int{U_UNASSIGNED};
        const bool is_wanted = category != U_UNASSIGNED && category != U_SURROGATE && category != U_PRIVATE_USE_CHAR;
        if (is_wanted && first < 0) first = c;
        if (!is_wanted && first >= 0) {
            out << std::hex << first << ' ' << c - 1 << '\n';
            first = -1;
        }
    }
}

// The folder with what the Python package made of the texts; empty where it cannot be had.
std::string reference() {
    const std::string tests = source_folder() + "/tests/model_text";
    const std::string environment = source_folder() + "/build/tokenizers-venv";
    const std::string folder = source_folder() + "/build/tokenizers-reference";
    std::filesystem::create_directories(folder);
    // A run may take a minute at most; what was fetched stays, so a slow line gets on from turn to turn.
    int status = -1;
    for (int turn = 0; turn < 5 && status != 0; ++turn) {
        status = testing::run_program("bash", {tests + "/fetch.sh", environment}).status;
        if (status == 1) return {};
    }
    if (status != 0) return {};
    write_assigned(folder + "/assigned.txt");
    status = 2;
    for (int turn = 0; turn < 20 && status != 0; ++turn) {
        status = testing::run_program("bash", {tests + "/make_reference.sh", environment, folder}).status;
        if (status == 1) return {};
    }
    return status == 0 ? folder : std::string();
}

std::vector<std::int64_t> numbers(json::Value list) {
    std::vector<std::int64_t> made;
    list.each([&](json::Value one) { made.push_back(one.as_int()); });
    return made;
}

template <class T>
std::vector<std::int64_t> numbers(const std::vector<T>& list) {
    std::vector<std::int64_t> made;
    for (const T one : list)
        made.push_back(one == static_cast<T>(Encoding::kNoWord) ? -1 : static_cast<std::int64_t>(one));
    return made;
}

std::vector<std::int64_t> flat(const std::vector<Range>& list) {
    std::vector<std::int64_t> made;
    for (const Range one : list) {
        made.push_back(one.begin);
        made.push_back(one.end);
    }
    return made;
}

struct Comparison {
    std::map<std::string, Tokenizer> tokenizers;
    std::vector<std::string> texts;
    Encoding encoding;
    std::map<std::string, int> compared;
    int different = 0;

    void load(const std::string& folder) {
        const SystemDisk disk;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            if (entry.path().extension() != ".json") continue;
            const auto bytes = disk.read(entry.path(), Tokenizer::kFileMax);
            ASSERT_TRUE(bytes);
            auto tokenizer = Tokenizer::parse(*bytes);
            ASSERT_TRUE(tokenizer) << entry.path() << ": " << tokenizer.error().message;
            tokenizers.emplace(entry.path().stem(), std::move(*tokenizer));
        }
        std::ifstream lines(folder + "/texts.jsonl");
        for (std::string line; std::getline(lines, line);) {
            const auto document = json::parse(line);
            ASSERT_TRUE(document);
            texts.emplace_back(document->root().find("text")->as_string());
        }
    }

    void compare(json::Value one) {
        const std::string name(one.find("tokenizer")->as_string());
        const Tokenizer& tokenizer = tokenizers.at(name);
        const std::string& first = texts.at(static_cast<std::size_t>(one.find("a")->as_int()));
        const json::Value second = *one.find("b");
        const EncodeOptions options{.add_special_tokens = one.find("special")->as_bool(),
                                    .pad = true,
                                    .tokens_max = static_cast<std::size_t>(one.find("limit")->as_int())};
        const bool is_pair = second.kind() == json::Kind::kInteger;
        const auto done = is_pair ? tokenizer.encode_pair(first, texts.at(static_cast<std::size_t>(second.as_int())),
                                                          encoding, options)
                                  : tokenizer.encode(first, encoding, options);
        ++compared[name];
        const auto same = [&](std::string_view member, const std::vector<std::int64_t>& ours) {
            if (numbers(*one.find(member)) == ours) return true;
            if (++different <= 20) {
                ADD_FAILURE() << name << ": other " << member << " for " << ::testing::PrintToString(first)
                              << (is_pair ? " and a second text" : "") << ", limit " << options.tokens_max
                              << "\nthe package " << ::testing::PrintToString(numbers(*one.find(member))) << "\nours "
                              << ::testing::PrintToString(ours);
            }
            return false;
        };
        ASSERT_TRUE(done) << done.error().message;
        static_cast<void>(same("ids", numbers(encoding.ids)) && same("offsets", flat(encoding.char_offsets)) &&
                          same("types", numbers(encoding.type_ids)) &&
                          same("attention", numbers(encoding.attention_mask)) &&
                          same("specials", numbers(encoding.special_mask)) && same("words", numbers(encoding.words)));
    }
};

TEST(TokenizerReference, IdsMasksWordsAndOffsetsAreThoseOfThePythonPackage) {
    const std::string folder = reference();
    if (folder.empty()) GTEST_SKIP() << "the Python packages of tests/model_text/requirements.txt cannot be had";
    Comparison comparison;
    comparison.load(folder);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_GE(comparison.texts.size(), 10'000U);
    std::ifstream lines(folder + "/cases.jsonl");
    for (std::string line; std::getline(lines, line);) {
        const auto document = json::parse(line);
        ASSERT_TRUE(document);
        comparison.compare(document->root());
        ASSERT_FALSE(HasFatalFailure());
    }
    EXPECT_EQ(comparison.different, 0);
    EXPECT_GE(comparison.compared["minilm"], 10'000);
    EXPECT_GE(comparison.compared["roberta"], 10'000);
    EXPECT_GE(comparison.compared.size(), 14U);
}

}  // namespace
}  // namespace tidegate::model
