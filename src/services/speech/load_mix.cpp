#include "services/speech/load_mix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/json_writer.h"

namespace tidegate::speech {
namespace {

using load::Dice;
using load::Payload;

constexpr int kNoteRate = 8'000;
constexpr int kNoteSeconds = 2;
constexpr std::array<std::string_view, 16> kNoteWords{"the",    "harbour", "office",   "tide",    "gate",  "opens",
                                                      "before", "morning", "ship",     "captain", "water", "bridge",
                                                      "will",   "call",    "engineer", "tomorrow"};

void append_number(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

/// Two seconds of a buzzing voice that changes its vowel: no words, but the detector takes it for speech and the recogniser works.
std::string make_note(Dice& dice) {
    constexpr int kSamples = kNoteRate * kNoteSeconds;
    std::string out = "RIFF";
    append_number(out, 36 + 2 * kSamples, 4);
    out += "WAVEfmt ";
    append_number(out, 16, 4);
    append_number(out, 1, 2);
    append_number(out, 1, 2);
    append_number(out, kNoteRate, 4);
    append_number(out, 2 * kNoteRate, 4);
    append_number(out, 2, 2);
    append_number(out, 16, 2);
    out += "data";
    append_number(out, 2 * kSamples, 4);
    const double pitch = 90 + 120 * dice.unit();
    double first = 500;
    double second = 1500;
    for (int i = 0; i < kSamples; ++i) {
        if (i % (kNoteRate / 8) == 0) {
            first = 300 + 500 * dice.unit();
            second = 900 + 1400 * dice.unit();
        }
        const double time = static_cast<double>(i) / kNoteRate;
        const double since = std::fmod(time * pitch, 1.0) / pitch;  // Since the last pulse of the voice.
        const double voice = std::exp(-since * 300) * (std::sin(2 * std::numbers::pi * first * since) +
                                                       0.5 * std::sin(2 * std::numbers::pi * second * since));
        const auto sample = static_cast<std::int16_t>(8000 * voice * std::abs(std::sin(std::numbers::pi * 2.5 * time)));
        append_number(out, static_cast<std::uint16_t>(sample), 2);
    }
    return out;
}

void make_upload(Dice& dice, Payload& out) {
    out.method = "POST";
    out.target = "/api/v1/transcribe";
    out.content_type = "multipart/form-data; boundary=tidegate-load";
    out.body = "--tidegate-load\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"note.wav\"\r\n\r\n" +
               make_note(dice) + "\r\n--tidegate-load--\r\n";
}

void make_text(Dice& dice, Payload& out) {
    out.method = "POST";
    out.target = "/api/v1/summarize";
    out.content_type = "application/json";
    std::string text;
    for (std::uint64_t sentence = dice.between(10, 40); sentence > 0; --sentence) {
        for (std::uint64_t word = dice.between(6, 18); word > 0; --word) {
            text += kNoteWords[static_cast<std::size_t>(dice.between(0, kNoteWords.size() - 1))];
            text += word > 1 ? " " : ". ";
        }
    }
    JsonWriter(out.body).begin_object().field("text", text).end_object();
}

}  // namespace

void offer_load(const load::Scout& scout, load::Offers& offers) {
    if (!scout.has_route("POST", "/api/v1/transcribe")) {
        return offers.leave_out("transcribe_note", "the target has no POST /api/v1/transcribe");
    }
    offers.operations.push_back(
        {.name = "summarize", .method = "POST", .handler = "/api/v1/summarize", .weight = 2, .make = make_text});
    const auto status = scout.ask("GET", "/api/v1/transcribe/status", "");
    if (status) {
        const auto word = status->root().find("status");
        if (!word || word->kind() != json::Kind::kString || word->as_string() != "ready") {
            return offers.leave_out("transcribe_note", "the target has no speech model");
        }
    }
    // Half a CPU second each: a thousandth of the requests would be most of what two cores do, and the rest would wait for it. It takes part
    // where it is named: --mix transcribe_note=1.
    offers.operations.push_back({.name = "transcribe_note",
                                 .method = "POST",
                                 .handler = "/api/v1/transcribe",
                                 .weight = 0,
                                 .make = make_upload});
}

}  // namespace tidegate::speech
