// Two simple detectors to stand beside ours in every evaluation: character n-grams alone, and compression distance.
//
// Guarantee   Trained in the same run, from the training texts given; deterministic.
// Algorithm   Logistic regression on character 2-5-grams; and zstd (level 19) with a prelude of human or of machine text:
//             the side whose prelude compresses the text better wins (after Benedetto et al. 2002, and ZipPy).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "services/provenance/text/dataset.h"
#include "services/provenance/text/model.h"
#include "services/provenance/text/reading.h"

struct ZSTD_CDict_s;
struct ZSTD_CCtx_s;

namespace tidegate::provenance::text {

class CharBaseline {
  public:
    explicit CharBaseline(const std::vector<Sample>& train);
    /// Log-odds, uncalibrated.
    double score(std::string_view utf8);

  private:
    HashedHead head_;
    Reading reading_;
};

class CompressionBaseline {
  public:
    explicit CompressionBaseline(const std::vector<Sample>& train);
    ~CompressionBaseline();
    CompressionBaseline(const CompressionBaseline&) = delete;
    CompressionBaseline& operator=(const CompressionBaseline&) = delete;
    /// Bits a character saved by the machine prelude against the human one.
    double score(std::string_view utf8);

  private:
    struct FreeDictionary {
        void operator()(ZSTD_CDict_s* dictionary) const noexcept;
    };
    struct FreeContext {
        void operator()(ZSTD_CCtx_s* context) const noexcept;
    };
    double compressed_bytes(std::string_view text, ZSTD_CDict_s* dictionary);

    std::unique_ptr<ZSTD_CDict_s, FreeDictionary> human_;
    std::unique_ptr<ZSTD_CDict_s, FreeDictionary> machine_;
    std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
    Reading reading_;
    std::vector<char> buffer_;
};

}  // namespace tidegate::provenance::text
