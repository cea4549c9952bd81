// Recordings that tests make: tones, noise and silence as WAV, and sentences by flite where it is installed.
#pragma once

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <string>
#include <vector>

namespace tidegate::speech {

inline void put_number(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

/// Interleaved samples as a WAV file.
inline std::string wav_of(const std::vector<std::int16_t>& samples, unsigned channels, unsigned rate) {
    std::string out = "RIFF";
    const auto bytes = static_cast<std::uint32_t>(2 * samples.size());
    put_number(out, 36 + bytes, 4);
    out += "WAVEfmt ";
    put_number(out, 16, 4);
    put_number(out, 1, 2);
    put_number(out, channels, 2);
    put_number(out, rate, 4);
    put_number(out, rate * channels * 2, 4);
    put_number(out, channels * 2, 2);
    put_number(out, 16, 2);
    out += "data";
    put_number(out, bytes, 4);
    for (const std::int16_t one : samples) put_number(out, static_cast<std::uint16_t>(one), 2);
    return out;
}

inline std::vector<std::int16_t> tone(double seconds, unsigned rate, double hertz = 440, double loudness = 8000) {
    std::vector<std::int16_t> out(static_cast<std::size_t>(seconds * rate));
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::int16_t>(
            loudness * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / static_cast<double>(rate)));
    }
    return out;
}

inline std::string write_file(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
}

inline std::string read_whole(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// False: flite is not installed. The words are the test's own.
inline bool speak(const std::string& text, const std::string& path, const std::string& voice = "awb") {
    const std::array<std::string, 7> words{"flite", "-voice", voice, "-t", text, "-o", path};
    std::array<char*, 8> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = const_cast<char*>(words[i].c_str());
    pid_t child = 0;
    // A program of the system's, without a shell: the words are an argument.
    if (posix_spawnp(&child, "flite", nullptr, nullptr, arguments.data(), environ) != 0) return false;
    int status = 0;
    return waitpid(child, &status, 0) == child && status == 0 && std::filesystem::exists(path);
}

/// `speech/dev` of the shared data; empty: it is not here.
inline std::string shared_speech() {
    const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");
    const std::string folder = std::string(source == nullptr ? "." : source) + "/../shared/data/speech/dev";
    return std::filesystem::exists(folder) ? folder : std::string();
}

inline constexpr const char* kModelDir = "/usr/share/pocketsphinx/model/en-us";

}  // namespace tidegate::speech
