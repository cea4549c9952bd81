#include "services/speech/recognise/decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>

extern "C" {
#include <pocketsphinx.h>
#include <sphinxbase/err.h>
}

namespace tidegate::speech {
namespace {

// Frames of the acoustic model.
constexpr double kFramesASecond = 100;

struct ConfigEnd {
    void operator()(cmd_ln_t* config) const noexcept { cmd_ln_free_r(config); }
};
struct DecoderEnd {
    void operator()(ps_decoder_t* decoder) const noexcept { ps_free(decoder); }
};

// It speaks of every file and every utterance; ours is the one log. Where it writes is one variable for all threads, and ps_init() with
// `-logfn` closes the file that another decoder, which is just being made, may be writing to: so it is silenced once, and gets no file.
void be_silent() {
    static std::once_flag once;
    std::call_once(once, [] {
        err_set_callback(nullptr, nullptr);
        err_set_logfp(nullptr);
    });
}

}  // namespace

struct Decoder::Parts {
    std::unique_ptr<cmd_ln_t, ConfigEnd> config;
    std::unique_ptr<ps_decoder_t, DecoderEnd> decoder;  // Ends before its configuration.
};

std::string missing_model(const std::string& model_dir) {
    for (const char* const name : {"en-us/mdef", "en-us.lm.bin", "cmudict-en-us.dict"}) {
        std::error_code failed;
        if (std::filesystem::exists(std::filesystem::path(model_dir) / name, failed)) continue;
        return fmt::format(
            "The speech model is not installed: there is no {} in the folder that speech.model_dir names. "
            "On Debian: apt-get install pocketsphinx-en-us",
            name);
    }
    return {};
}

std::string_view plain_word(std::string_view entry) noexcept {
    if (entry.empty() || entry.front() == '<' || entry.front() == '[' || entry.starts_with("++")) return {};
    return entry.substr(0, entry.find('('));
}

Decoder::Decoder(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Decoder::~Decoder() = default;

Result<std::unique_ptr<Decoder>> Decoder::make(const std::string& model_dir) {
    if (std::string missing = missing_model(model_dir); !missing.empty()) {
        return fail(ErrorCode::kUnavailable, std::move(missing));
    }
    be_silent();
    const std::string acoustic = model_dir + "/en-us";
    const std::string language = model_dir + "/en-us.lm.bin";
    const std::string dictionary = model_dir + "/cmudict-en-us.dict";
    auto parts = std::make_unique<Parts>();
    parts->config.reset(cmd_ln_init(nullptr, ps_args(), TRUE, "-hmm", acoustic.c_str(), "-lm", language.c_str(),
                                    "-dict", dictionary.c_str(), "-fwdflat", "no", "-bestpath", "yes", "-lw", "5.5",
                                    "-maxhmmpf", "12000", "-remove_silence", "no", nullptr));
    if (!parts->config) return fail(ErrorCode::kUnavailable, "The speech model's settings are not taken.");
    parts->decoder.reset(ps_init(parts->config.get()));
    if (!parts->decoder) {
        return fail(ErrorCode::kUnavailable, "The speech model in speech.model_dir cannot be loaded.");
    }
    return std::unique_ptr<Decoder>(new Decoder(std::move(parts)));
}

Result<std::vector<Word>> Decoder::hear(Samples samples) {
    ps_decoder_t* const decoder = parts_->decoder.get();
    constexpr std::size_t kFewest = 400;  // One window of the model, 25 ms.
    if (samples.size() < kFewest) return std::vector<Word>();
    if (ps_start_stream(decoder) < 0 || ps_start_utt(decoder) < 0) {
        return fail(ErrorCode::kUnavailable, "The recogniser does not start.");
    }
    const int heard = ps_process_raw(decoder, samples.data(), samples.size(), FALSE, TRUE);
    if (ps_end_utt(decoder) < 0 || heard < 0) return fail(ErrorCode::kUnavailable, "The recogniser failed.");
    std::vector<Word> out;
    logmath_t* const scale = ps_get_logmath(decoder);
    for (ps_seg_t* at = ps_seg_iter(decoder); at != nullptr; at = ps_seg_next(at)) {
        const std::string_view text = plain_word(ps_seg_word(at));
        if (text.empty()) continue;
        int first = 0;
        int last = 0;
        ps_seg_frames(at, &first, &last);
        const int32 posterior = ps_seg_prob(at, nullptr, nullptr, nullptr);
        out.push_back({.text = std::string(text),
                       .start = first / kFramesASecond,
                       .end = (last + 1) / kFramesASecond,
                       .confidence = std::clamp(logmath_exp(scale, posterior), 0.0, 1.0)});
    }
    return out;
}

}  // namespace tidegate::speech
