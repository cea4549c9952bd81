// Settings of the speech service.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings/table.h"

namespace tidegate::speech {

struct SpeechSettings {
    std::string model_dir;
    std::uint32_t decoders = 2;
    std::uint64_t upload_bytes_max = 0;
    std::uint64_t disk_free_min_bytes = 0;
    Duration audio_max{};
    Duration answer_now_max{};
    Duration chunk_max{};
    std::uint32_t key_points = 5;
    Duration keep{};
    std::string keep_output;
    std::vector<std::string> model_names;
};

inline void declare(settings::Table& table, SpeechSettings& s) {
    using std::chrono::hours;
    using std::chrono::seconds;
    table.group("speech", "Who said what, and what did it come to?");
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
