// OpenAiSpeech: OpenAI's transcription API as strictly as they serve it, over Upstream: what they would refuse is refused.
//
// Source      OpenAI's API reference (audio): fields, response formats, which go together; errors `{"error":{message,type,param,code}}`.
// Guarantee   It knows no words: of a recording of N seconds it says N words, the k-th in its k-th second, so that a test knows what has to
//             come out of which piece. Every request that it took is kept.
// Threads     As Upstream.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/mutex.h"
#include "http/multipart.h"
#include "support/upstream.h"

namespace tidegate::testing {

class OpenAiSpeech {
  public:
    static constexpr std::string_view kKey = "sk-of-the-test";
    static constexpr std::string_view kTranscriptions = "/v1/audio/transcriptions";
    static constexpr std::string_view kTranslations = "/v1/audio/translations";

    struct Asked {
        std::string path;
        std::map<std::string, std::vector<std::string>> fields;
        double seconds = 0;
        double loudness = 0;  // Mean of the samples' absolute values.
        std::string field(const std::string& name) const {
            const auto found = fields.find(name);
            return found == fields.end() ? std::string() : found->second.back();
        }
    };

    OpenAiSpeech() {
        for (const std::string_view path : {kTranscriptions, kTranslations}) {
            server_.on(std::string(path), [this](UpstreamCall& call) { answer(call); });
        }
    }
    std::string url() const { return server_.url(); }
    Upstream& server() noexcept { return server_; }
    std::vector<Asked> asked() const {
        const Lock lock(mutex_);
        return asked_;
    }
    /// Words that it says of so many seconds.
    static std::string words(double seconds, std::string_view word = "word") {
        std::string out;
        for (int i = 0; i < static_cast<int>(std::ceil(seconds)); ++i) {
            out += (out.empty() ? "" : " ") + std::string(word) + std::to_string(i);
        }
        return out;
    }

  private:
    struct Form final : http::PartHandler {
        Asked asked;
        std::string file, part;
        bool has_file = false;
        bool in_file = false;
        Result<void> on_part(const http::PartHead& head) override {
            part = head.name;
            in_file = head.name == "file";
            if (in_file && !head.file_name) return fail(ErrorCode::kInvalidArgument, "file has no name");
            has_file = has_file || in_file;
            if (!in_file) asked.fields[part].emplace_back();
            return {};
        }
        Result<void> on_data(std::string_view bytes) override {
            (in_file ? file : asked.fields[part].back()).append(bytes);
            return {};
        }
        Result<void> on_part_end() override { return {}; }
    };

    static void refuse(UpstreamCall& call, int status, std::string_view message) {
        std::string body;
        JsonWriter writer(body);
        writer.begin_object().key("error").begin_object().field("message", message);
        writer.field("type", status >= 500 ? "server_error" : "invalid_request_error").key("param").null();
        writer.key("code").null().end_object().end_object();
        call.answer(status, body, "Content-Type: application/json\r\n");
    }

    /// Of 16 kHz, one channel, 16 bits; false: it is no such file, whole.
    static bool read_wav(std::string_view bytes, Asked& asked) {
        const auto number = [&](std::size_t at, int size) {
            std::uint64_t value = 0;
            for (int i = size; i-- > 0;)
                value = value << 8U | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
            return value;
        };
        if (bytes.size() < 44 || !bytes.starts_with("RIFF") || bytes.substr(8, 8) != "WAVEfmt ") return false;
        if (number(4, 4) != bytes.size() - 8 || number(20, 2) != 1 || number(22, 2) != 1) return false;
        if (number(24, 4) != 16'000 || number(34, 2) != 16 || bytes.substr(36, 4) != "data") return false;
        if (number(40, 4) != bytes.size() - 44) return false;
        const std::size_t samples = (bytes.size() - 44) / 2;
        double sum = 0;
        for (std::size_t i = 0; i < samples; ++i) sum += std::abs(static_cast<std::int16_t>(number(44 + 2 * i, 2)));
        asked.seconds = static_cast<double>(samples) / 16'000;
        asked.loudness = samples > 0 ? sum / static_cast<double>(samples) : 0;
        return samples > 0;
    }

    /// What is wrong with the form; empty: nothing.
    static std::string fault_of(const Form& form) {
        const bool translates = form.asked.path == kTranslations;
        for (const auto& [name, values] : form.asked.fields) {
            const bool known = name == "model" || name == "prompt" || name == "response_format" ||
                               name == "temperature" ||
                               (!translates && (name == "language" || name == "timestamp_granularities[]"));
            if (!known) return "Unrecognized request argument supplied: " + name;
            if (name == "timestamp_granularities[]" && form.asked.field("response_format") != "verbose_json") {
                return "timestamp_granularities needs verbose_json";
            }
        }
        if (!form.has_file) return "file is missing";
        if (form.asked.field("model") != "whisper-1") return "The model does not exist";
        const std::string format = form.asked.field("response_format");
        return format == "json" || format == "verbose_json" ? "" : "This format is not asked for by a server";
    }

    void answer(UpstreamCall& call) {
        call.read_body();
        if (call.request().header("Authorization") != "Bearer " + std::string(kKey)) {
            return refuse(call, 401, "Incorrect API key provided");
        }
        Form form;
        form.asked.path = call.request().path;
        const auto boundary = http::multipart_boundary(call.request().header("Content-Type"));
        if (!boundary || call.request().method != "POST") return refuse(call, 400, "no form");
        http::MultipartReader reader(*boundary, {}, form);
        if (!reader.feed(call.request().body) || !reader.finish()) return refuse(call, 400, "a broken form");
        if (const std::string fault = fault_of(form); !fault.empty()) return refuse(call, 400, fault);
        if (!read_wav(form.file, form.asked)) return refuse(call, 400, "Invalid file format.");
        {
            const Lock lock(mutex_);
            asked_.push_back(form.asked);
        }
        call.answer(200, transcript(form.asked), "Content-Type: application/json\r\n");
    }

    static std::string transcript(const Asked& asked) {
        const bool translates = asked.path == kTranslations;
        const std::string text = words(asked.seconds, translates ? "english" : "word");
        std::string body;
        JsonWriter writer(body);
        writer.begin_object().field("text", text);
        if (asked.field("response_format") == "verbose_json") {
            writer.field("task", translates ? "translate" : "transcribe").field("language", "english");
            writer.field("duration", asked.seconds).key("segments").begin_array();
            writer.begin_object().field("id", 0).field("seek", 0).field("start", 0.0).field("end", asked.seconds);
            writer.field("text", " " + text).key("tokens").begin_array().value(7).end_array();
            writer.field("temperature", 0.0).field("avg_logprob", -0.25).field("compression_ratio", 1.1);
            writer.field("no_speech_prob", 0.01).end_object().end_array();
            const auto granularities = asked.fields.find("timestamp_granularities[]");
            if (granularities != asked.fields.end() &&
                std::ranges::find(granularities->second, "word") != granularities->second.end()) {
                writer.key("words").begin_array();
                for (int i = 0; i < static_cast<int>(std::ceil(asked.seconds)); ++i) {
                    writer.begin_object()
                        .field("word", "word" + std::to_string(i))
                        .field("start", static_cast<double>(i));
                    writer.field("end", std::min(asked.seconds, i + 1.0)).end_object();
                }
                writer.end_array();
            }
        }
        writer.end_object();
        return body;
    }

    mutable Mutex mutex_;
    std::vector<Asked> asked_ TG_GUARDED_BY(mutex_);
    Upstream server_;  // Last: its calls end before what they write to.
};

}  // namespace tidegate::testing
