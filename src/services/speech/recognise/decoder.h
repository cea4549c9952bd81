// Decoder: the embedded recogniser, one recording at a time.
//
// Position    The one place that knows PocketSphinx.
// Algorithm   One pass and the best path through its lattice (`-fwdflat no`): on hard and clean read speech 51 % of words wrong, against
//             52 % for the default's three passes at a quarter more CPU. Language weight 5.5: on a third of the development set 53.6 %,
//             against 54.2 % at the default's 6.5, 57.7 % at 7.5; wider beams (1e-56) gain nothing. At most 12,000
//             states a frame: the same words for a twelfth less CPU (10,000: one word in 300 more is wrong). Its own removal of
//             silence is off, since it shifts the times.
// Guarantee   Each call starts afresh: nothing of one recording, or of one caller, shapes the next.
// Memory      105 MB a decoder; the model's files are mapped.
// Threads     One at a time, several at once. make() takes 0.4 s; any thread.
// When it fails  kUnavailable: the model is missing or broken.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/speech/audio/sound.h"

namespace tidegate::speech {

struct Word {
    std::string text;  // Of ours: lower case, without marks.
    double start = 0;  // Seconds.
    double end = 0;
    /// 0 to 1: the posterior in its lattice. It ranks words; it is no chance of being right. None: the engine tells none.
    std::optional<double> confidence = std::nullopt;
    friend bool operator==(const Word&, const Word&) = default;
};

class Decoder {
  public:
    /// `model_dir` holds en-us/, en-us.lm.bin and cmudict-en-us.dict.
    static Result<std::unique_ptr<Decoder>> make(const std::string& model_dir);
    ~Decoder();
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    /// Words with times from the first sample on; none where it heard none. Takes about 0.3 s of CPU a second.
    Result<std::vector<Word>> hear(Samples samples);

  private:
    struct Parts;
    explicit Decoder(std::unique_ptr<Parts> parts);
    const std::unique_ptr<Parts> parts_;
};

/// What is missing in `model_dir`, in words that say how to get it; empty: it is there.
std::string missing_model(const std::string& model_dir);
/// A word of the dictionary as people write it: `the(2)` is `the`, silences and noises are empty.
std::string_view plain_word(std::string_view entry) noexcept;

}  // namespace tidegate::speech
