// The words of `tidegate load` and `tidegate generate`: what may be said, and what it means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/plan.h"
#include "load/slo.h"

namespace tidegate::app {

struct LoadOptions {
    load::Plan plan;
    std::string target;  // Empty: the address of the settings.
    std::string key;
    std::string ca_file;
    bool verify = true;
    std::string mix;                 // Empty: all that the target has, by their own weights.
    std::vector<std::string> calls;  // `POST /predict {"x": {number}}`
    std::vector<load::Slo> slos;
    std::string out;
    std::string html;
    std::string label;
    bool quiet = false;
    std::uint64_t count = 1000;  // Of `generate`.
};

/// kInvalidArgument says what is wrong; an unknown word names the nearest known one.
Result<LoadOptions> read_load_words(const std::vector<std::string>& words);
Result<LoadOptions> read_generate_words(const std::vector<std::string>& words);

std::string load_help();
std::string generate_help();

}  // namespace tidegate::app
