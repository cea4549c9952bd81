// Mix: which request comes next, and its bytes: weights, seeds, and how often a question is one that was asked before.
//
// Algorithm   Each operation that takes part in the repeats numbers its questions 0, 1, 2...; a request is with probability `repeats`
//             one of the earlier ones, else the next new one. So the share of repeats is `repeats`, whatever the length of the run.
//             An earlier one is taken from the first `hot_keys`, with rank exp(U ln n): Zipf's law with exponent 1, as caches meet it.
//             Each thread numbers its own questions (thread t of T: t, t + T, ...), so no two threads share one.
// Guarantee   The bytes of (operation, key) depend on the seed alone.
// Memory      Draw: the bytes of its share of the hot keys.
// Threads     Mix: immutable, any. Draw: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/generator.h"

namespace tidegate::load {

struct MixOptions {
    std::uint64_t seed = 1;
    double repeats = 0.72;          // 0 to 1.
    std::uint32_t hot_keys = 1000;  // Each operation; at least 1.
    std::string fields;             // Header lines of every request, each with CR LF.
};

class Mix {
  public:
    /// At least one operation; weights above 0.
    Mix(std::vector<Operation> operations, MixOptions options);

    const std::vector<Operation>& operations() const noexcept { return operations_; }
    const MixOptions& options() const noexcept { return options_; }
    /// By weight.
    std::uint32_t pick(Dice& dice) const noexcept;
    void make(std::uint32_t operation, std::uint64_t key, Payload& out) const;
    /// The whole HTTP/1.1 request; replaces `out`.
    void render(std::uint32_t operation, std::uint64_t key, Payload& scratch, std::string& out) const;

  private:
    std::vector<Operation> operations_;
    MixOptions options_;
    std::vector<double> upto_;  // Sums of the weights, the last 1.
};

class Draw {
  public:
    struct One {
        std::uint32_t operation = 0;
        std::uint64_t key = 0;
        bool repeat = false;  // This thread has sent the same before, and the operation takes part in the repeats.
    };

    Draw(const Mix& mix, unsigned thread, unsigned threads);
    One next();
    /// Lives until the next call.
    const std::string& bytes(const One& one);

  private:
    struct Asked {
        std::uint64_t count = 0;        // Questions so far.
        std::vector<std::string> kept;  // Bytes of the hot ones; empty: not made yet.
    };
    const Mix& mix_;
    const unsigned thread_;
    const unsigned threads_;
    const std::uint64_t hot_;
    Dice dice_;
    std::vector<Asked> asked_;
    Payload scratch_;
    std::string fresh_;
};

/// Keeps those named in `NAME[=WEIGHT],...`, with their weights. kInvalidArgument names what is not there.
Result<void> choose(std::vector<Operation>& operations, std::string_view words);

}  // namespace tidegate::load
