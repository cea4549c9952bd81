// Settings of the speech service.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client/client.h"
#include "settings/secret.h"
#include "settings/table.h"

namespace tidegate::speech {

/// Another server's engine.
struct SpeechUpstreamSettings {
    std::vector<std::string> urls;
    std::string base_path;
    std::string model;
    settings::Secret key;
    std::string ca_file;
    std::string times;
    Duration timeout{};
    Duration piece_max{};
    std::uint32_t attempts_max = 3;
    std::uint32_t breaker_failures_max = 5;
    Duration breaker_open{};
};

struct SpeechSettings {
    std::string engine;
    std::string fallback;
    SpeechUpstreamSettings upstream;
    std::string model_dir;
    std::uint32_t decoders = 2;
    std::uint64_t upload_bytes_max = 0;
    std::uint64_t disk_free_min_bytes = 0;
    std::uint64_t tenant_bytes_max = 0;
    Duration audio_max{};
    Duration answer_now_max{};
    Duration chunk_max{};
    std::uint32_t key_points = 5;
    Duration keep{};
    std::string keep_output;
    std::vector<std::string> model_names;
};

inline Result<void> check_base_path(std::string_view path) {
    const auto is_bad = [](char c) { return c <= ' ' || c > '~' || c == '?' || c == '#'; };
    if (path.empty() || (path.starts_with('/') && !path.ends_with('/') && std::ranges::none_of(path, is_bad)))
        return {};
    return fail(ErrorCode::kInvalidArgument, "it begins with a slash and ends without one");
}

inline Result<void> check_engine_model(std::string_view model) {
    // It stands in a header and in records.
    const auto is_bad = [](char c) { return c <= ' ' || c > '~'; };
    if (!model.empty() && model.size() <= 128 && std::ranges::none_of(model, is_bad)) return {};
    return fail(ErrorCode::kInvalidArgument, "it has 1 to 128 visible ASCII characters");
}

inline Result<void> check_engine_url(std::string_view url) {
    TG_TRY([[maybe_unused]] const http::Origin origin, http::parse_origin(url));
    return {};
}

inline void declare_engine(settings::Table& table, SpeechSettings& s) {
    using std::chrono::milliseconds;
    using std::chrono::minutes;
    using std::chrono::seconds;
    table.add("speech.engine", s.engine, "embedded")
        .choices({"embedded", "upstream"})
        .doc("Who recognises: the recogniser within the server, or another server (speech.upstream.*).");
    table.add("speech.fallback", s.fallback, "none")
        .choices({"none", "embedded"})
        .doc(
            "Who stands in when the upstream gives no transcript: nobody, or the embedded recogniser, which knows "
            "English alone. The answer and the record name it and say why.");
    SpeechUpstreamSettings& u = s.upstream;
    table.add("speech.upstream.urls", u.urls, {})
        .check(check_engine_url, "http(s)://HOST[:PORT]")
        .doc("Servers with OpenAI's transcription API, between which the load is balanced.");
    table.add("speech.upstream.base_path", u.base_path, "/v1")
        .check(check_base_path, "/PATH")
        .doc("What stands before `/audio/transcriptions` there.");
    table.add("speech.upstream.model", u.model, "whisper-1")
        .check(check_engine_model, "NAME")
        .doc("The model to ask for there; X-Model names it.");
    table.add("speech.upstream.key", u.key).doc("Sent there as `Authorization: Bearer`; none: nothing is.");
    table.add("speech.upstream.ca_file", u.ca_file, "")
        .doc("PEM file of the authorities to trust there; empty: the system's.");
    table.add("speech.upstream.times", u.times, "words")
        .choices({"words", "segments", "none"})
        .doc(
            "What times it tells: of words and segments (`verbose_json`), of segments, or none (`json`): then each "
            "stretch of speech is a request of its own.");
    table.add("speech.upstream.timeout_s", u.timeout, minutes(5))
        .range(milliseconds(100), minutes(60))
        .doc("Longest wait for the transcript of a piece, repeats included.");
    table.add("speech.upstream.piece_max_s", u.piece_max, minutes(10))
        .range(seconds(30), minutes(60))
        .doc("Longest piece of speech in one request: 32 kB a second, and OpenAI takes 25 MB.");
    table.add("speech.upstream.attempts_max", u.attempts_max, 3)
        .range(1, 10)
        .unit("attempts")
        .doc("Attempts of one request, with the first; only what broke on the way or got 502 to 504 is repeated.");
    table.add("speech.upstream.breaker_failures_max", u.breaker_failures_max, 5)
        .range(1, 10'000)
        .unit("failures")
        .doc("Failures in a row after which a server is left alone for a while.");
    table.add("speech.upstream.breaker_open_s", u.breaker_open, seconds(30))
        .range(milliseconds(10), minutes(60))
        .doc("For how long at first; doubles with each failed trial, up to five minutes.");
}

inline void declare(settings::Table& table, SpeechSettings& s) {
    using std::chrono::hours;
    using std::chrono::seconds;
    table.group("speech", "Who said what, and what did it come to?");
    declare_engine(table, s);
    table.add("speech.model_dir", s.model_dir, "/usr/share/pocketsphinx/model/en-us")
        .doc("Folder of the recogniser's model (Debian's pocketsphinx-en-us); without it recordings get 503.");
    table.add("speech.decoders", s.decoders, 2)
        .range(1, 64)
        .unit("recordings")
        .env_aliases({"AI_WORKERS"})
        .doc("Recordings transcribed at once, a thread and 105 MB each; the others wait as jobs.");
    table.add("speech.upload_bytes_max", s.upload_bytes_max, 256ULL * 1024 * 1024)
        .range(1024, 4ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc("Longest body of an upload; a longer one gets 413. It goes to the disk, never into memory whole.");
    table.add("speech.disk_free_min_bytes", s.disk_free_min_bytes, 1024ULL * 1024 * 1024)
        .range(0, 1ULL << 50U)
        .bytes()
        .doc("Uploads get 503 while the disk of the data folder has less free: recordings leave room for the records.");
    table.add("speech.tenant_bytes_max", s.tenant_bytes_max, 2048ULL * 1024 * 1024)
        .range(1024, 1ULL << 50U)
        .bytes()
        .doc(
            "Bytes that recordings of one tenant may hold on the disk while they come in, wait and are in work; one "
            "more upload gets 429. Callers of no tenant are bound by speech.disk_free_min_bytes alone. At least "
            "speech.upload_bytes_max.");
    table.add("speech.audio_max_s", s.audio_max, hours(1))
        .range(seconds(1), hours(24))
        .env_aliases({"MAX_AUDIO_LENGTH"})
        .doc("Longest recording; a longer one gets 413.");
    table.add("speech.answer_now_max_s", s.answer_now_max, seconds(120))
        .range(seconds(0), hours(24))
        .doc(
            "POST /api/v1/transcribe waits for the transcript of a recording of up to this length; of a longer one "
            "it answers 202 and a job. /v1/audio/transcriptions always waits.");
    table.add("speech.chunk_max_s", s.chunk_max, seconds(30))
        .range(seconds(5), seconds(120))
        .env_aliases({"CHUNK_LENGTH"})
        .doc("Speech without a pause is cut after so long, at its quietest place.");
    table.add("speech.key_points", s.key_points, 5).range(1, 50).unit("sentences").doc("Most key points of a summary.");
    table.add("speech.keep_s", s.keep, hours(24 * 30))
        .range(seconds(60), hours(24 * 3650))
        .doc(
            "How long transcripts and summaries are kept; the recording itself goes when its job ends, or with these.");
    table.add("speech.keep_output", s.keep_output, "summary")
        .choices({"summary", "whole"})
        .doc("What a decision keeps of a transcript: its figures, or its words too.");
    table.add("speech.model_names", s.model_names, {"whisper-1"})
        .doc(
            "Other names that /v1/audio/transcriptions takes for its recogniser, so that clients need not be changed.");
}

}  // namespace tidegate::speech
