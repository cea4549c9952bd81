// The speech service in a server of a test's own: what it says to recordings, and how they are sent to it.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "../services/speech/sounds.h"
#include "system/client.h"

namespace tidegate::testing {

inline constexpr std::string_view kTranscribe = "/api/v1/transcribe";
inline constexpr std::string_view kOpenAi = "/v1/audio/transcriptions";
inline constexpr std::string_view kSpoken = "please call the manager. the train was late";
inline constexpr std::string_view kSaid = "please call the manager the train was late";

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string form(const Fields& fields, std::string_view file_field, std::string_view bytes) {
    std::string out;
    for (const auto& [name, value] : fields) {
        out += "--edge\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    }
    if (!file_field.empty()) {
        out += "--edge\r\nContent-Disposition: form-data; name=\"" + std::string(file_field) +
               "\"; filename=\"C:\\calls\\one.wav\"\r\n\r\n" + std::string(bytes) + "\r\n";
    }
    return out + "--edge--\r\n";
}

class SpeechService : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!std::filesystem::exists(std::string(speech::kModelDir) + "/en-us.lm.bin")) {
            GTEST_SKIP() << "pocketsphinx-en-us is not installed";
        }
        const std::string path = folder_.path() + "/said.wav";
        if (!speech::speak(std::string(kSpoken), path)) GTEST_SKIP() << "flite is not installed";
        said_ = speech::read_whole(path);
    }
    void start(const std::vector<std::string>& arguments = {"--speech.decoders", "1"}) {
        server_ = ServerProcess::start(folder_.path(), arguments);
        ASSERT_NE(server_, nullptr) << "the server did not start";
    }
    RawResponse send(std::string_view target, const std::string& body, HeaderList headers = {}) const {
        headers.emplace_back("Content-Type", "multipart/form-data; boundary=edge");
        RawClient client(server_->port());
        return client.ask(request_text("POST", target, body, headers));
    }
    RawResponse upload(const Fields& fields = {}, HeaderList headers = {}) const {
        return send(kTranscribe, form(fields, "audio", said_), std::move(headers));
    }
    json::Document session(const std::string& id) const {
        return parse_json(get(server_->port(), std::string(kTranscribe) + "/" + id).body);
    }
    /// When it is over; at most two minutes.
    json::Document finished(const std::string& id) const {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        for (;;) {
            json::Document now = session(id);
            const auto status = now.root().find("status");
            const std::string word = status ? std::string(status->as_string()) : "";
            if ((word != "accepted" && word != "transcribing") || std::chrono::steady_clock::now() > give_up)
                return now;
            rest(std::chrono::milliseconds(20));
        }
    }
    static std::string text(json::Value value, std::string_view name) {
        const auto found = value.find(name);
        return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
    }
    static std::string words_of(json::Value answer) {
        std::string out;
        const auto transcript = answer.find("transcript");
        if (!transcript) return out;
        each_in(*transcript, "segments", [&](json::Value one) { out += (out.empty() ? "" : " ") + text(one, "text"); });
        return out;
    }

    TemporaryFolder folder_;
    std::string said_;
    std::unique_ptr<ServerProcess> server_;
};

}  // namespace tidegate::testing
