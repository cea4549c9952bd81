// Labelled texts from .jsonl files: the reader that training and evaluation share.
//
// Guarantee   Bounded: a file of 256 MiB, a line of 4 MiB, 1,000,000 lines. A bad line names its number and its reason.
// When it fails  kNotFound, kTooLarge, or kInvalidArgument with the line; never half a data set.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace tidegate::provenance::text {

enum class Label : std::uint8_t { kHuman, kAi, kAiEdited, kAiHumanised };

struct Sample {
    std::string id;
    std::string text;
    std::string model;  // "human", or the generator.
    std::string domain;
    std::string slice;
    std::string source;
    std::string prompt_id;
    Label label = Label::kHuman;
};

struct Dataset {
    std::vector<Sample> samples;
    std::string digest;  // SHA-256 over the files' bytes in order of their names, hex.
};

/// `text` and `label` (human | ai | ai_edited | ai_humanised) are required, the rest may be absent.
Result<Sample> parse_sample(std::string_view line);
/// Every line of one file's content; blank lines are skipped.
Result<std::vector<Sample>> parse_samples(std::string_view content);
/// A .jsonl file, or every .jsonl file directly in a directory, in order of their names.
Result<Dataset> load_dataset(const Disk& disk, const std::string& path);

}  // namespace tidegate::provenance::text
