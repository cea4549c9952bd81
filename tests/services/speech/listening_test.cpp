// Recordings as samples, voice in them, and where they are cut.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "services/speech/audio/listen.h"
#include "services/speech/audio/pauses.h"
#include "services/speech/audio/voice.h"
#include "sounds.h"
#include "store/temporary_folder.h"

namespace tidegate::speech {
namespace {

struct Decoded {
    SoundInfo info;
    std::vector<std::int16_t> first, second;
    std::size_t largest_block = 0;
};

Result<Decoded> decode(const std::string& path, const SoundLimits& limits = {}) {
    TG_TRY(const auto file, SoundFile::open(path, limits));
    Decoded out;
    out.info = file->info();
    SoundBlock block;
    for (;;) {
        TG_TRY(const bool more, file->next(block));
        if (!more) return out;
        out.largest_block = std::max(out.largest_block, block.size());
        out.first.insert(out.first.end(), block.channels[0].begin(), block.channels[0].end());
        out.second.insert(out.second.end(), block.channels[1].begin(), block.channels[1].end());
    }
}

class Listening : public ::testing::Test {
  protected:
    std::string file(const std::string& name, std::string_view bytes) { return write_file(folder_.file(name), bytes); }
    std::optional<ErrorCode> error_of(std::string_view bytes, const SoundLimits& limits = {}) {
        const auto done = decode(file("bad", bytes), limits);
        return done ? std::nullopt : std::optional(done.error().code);
    }
    store::TemporaryFolder folder_;
};

TEST_F(Listening, ARecordingComesOutAt16KilohertzBlockByBlock) {
    const auto mono = decode(file("mono.wav", wav_of(tone(3, 44'100), 1, 44'100)));
    ASSERT_TRUE(mono) << mono.error().message;
    EXPECT_NEAR(static_cast<double>(mono->first.size()), 48'000, 50);
    EXPECT_TRUE(mono->second.empty());
    EXPECT_LT(mono->largest_block, 16'000U);
    EXPECT_NEAR(level_db(mono->first), 20 * std::log10(8000 / std::sqrt(2.0)), 0.3);
    // Channels come apart: a tone left, silence right.
    std::vector<std::int16_t> both;
    for (const std::int16_t one : tone(1, 16'000)) {
        both.push_back(one);
        both.push_back(0);
    }
    const auto stereo = decode(file("stereo.wav", wav_of(both, 2, 16'000)));
    ASSERT_TRUE(stereo);
    EXPECT_GT(level_db(stereo->first), 70);
    EXPECT_LT(level_db(stereo->second), 1);
}

TEST_F(Listening, EachUsualFormatIsRead) {
    const std::string folder = shared_speech();
    if (folder.empty()) GTEST_SKIP() << "the speech data is not here";
    for (const char* const name :
         {"a.flac", "a.m4a", "a.ogg", "a.opus", "a.wav", "a.webm", "a_44k_stereo.mp3", "a_8k_alaw.wav", "a_s24.wav"}) {
        const auto done = decode(folder + "/formats/" + name);
        ASSERT_TRUE(done) << name << done.error().message;
        EXPECT_NEAR(to_seconds(static_cast<std::int64_t>(done->first.size())), 6.5, 0.06) << name;
    }
}

TEST_F(Listening, WhatIsNoRecordingIsRefusedWithItsReason) {
    EXPECT_EQ(error_of(""), ErrorCode::kUnsupportedMedia);
    EXPECT_EQ(error_of("{\"text\": \"not a sound\"}"), ErrorCode::kUnsupportedMedia);
    EXPECT_EQ(error_of(std::string(100'000, '\0')), ErrorCode::kUnsupportedMedia);
    // Formats that name other files or addresses are not among those that are tried.
    EXPECT_EQ(error_of("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"), ErrorCode::kUnsupportedMedia);
    EXPECT_EQ(error_of("ffconcat version 1.0\nfile /etc/hostname\n"), ErrorCode::kUnsupportedMedia);
    const std::string whole = wav_of(tone(2, 16'000), 1, 16'000);
    EXPECT_EQ(error_of(whole), std::nullopt);
    EXPECT_EQ(error_of(whole.substr(0, whole.size() / 2)), ErrorCode::kFailedValidation);
    EXPECT_EQ(error_of(wav_of({}, 1, 16'000)), ErrorCode::kFailedValidation);
    EXPECT_EQ(error_of(whole, {.seconds_max = 1.5}), ErrorCode::kTooLarge);
    EXPECT_EQ(error_of(whole, {.seconds_max = 0.5}), ErrorCode::kTooLarge);
    EXPECT_EQ(error_of(wav_of(tone(1, 16'000), 4, 4'000), {.channels_max = 2}), ErrorCode::kTooLarge);
    EXPECT_EQ(error_of(whole, {.should_stop = [] { return true; }}), ErrorCode::kCancelled);
    const auto gone = decode(folder_.file("nothing.wav"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ErrorCode::kUnavailable);
}

std::string big_endian(std::initializer_list<std::uint32_t> numbers) {
    std::string out;
    for (const std::uint32_t one : numbers) {
        for (int i = 3; i >= 0; --i) out += static_cast<char>(one >> (8 * i) & 0xffU);
    }
    return out;
}

std::string box(std::string_view name, const std::string& content) {
    return big_endian({static_cast<std::uint32_t>(content.size() + 8)}) + std::string(name) + content;
}

/// An MP4 of less than a kilobyte whose track claims so many samples of a byte each.
std::string mp4_that_claims(std::uint32_t samples) {
    const std::string entry = box("alaw", std::string(6, '\0') + std::string("\0\1", 2) + std::string(8, '\0') +
                                              big_endian({0x00010010, 0, 8000U << 16U}));
    const std::string table = box("stsd", big_endian({0, 1}) + entry) + box("stts", big_endian({0, 1, samples, 2})) +
                              box("stsc", big_endian({0, 1, 1, samples, 1})) +
                              box("stsz", big_endian({0, 1, samples})) + box("stco", big_endian({0, 1, 40}));
    const std::string media = box("mdhd", big_endian({0, 0, 0, 8000, 8000, 0})) +
                              box("hdlr", big_endian({0, 0}) + "soun" + std::string(13, '\0')) +
                              box("minf", box("stbl", table));
    const std::string track =
        box("tkhd", big_endian({7, 0, 0, 1, 0, 8000}) + std::string(60, '\0')) + box("mdia", media);
    const std::string head = box("mvhd", big_endian({0, 0, 0, 8000, 8000}) + std::string(80, '\0'));
    return box("ftyp", "isom" + big_endian({512}) + "isom") + box("mdat", std::string(64, 'U')) +
           box("moov", head + box("trak", track));
}

TEST_F(Listening, WhatAFileClaimsTakesNoMemoryAndNoTime) {
    const auto peak_kib = [] {
        rusage used{};
        getrusage(RUSAGE_SELF, &used);
        return used.ru_maxrss;
    };
    // The same file with a claim that it could keep is read as far as its container goes.
    EXPECT_NE(error_of(mp4_that_claims(64)), ErrorCode::kUnsupportedMedia);
    const auto before = peak_kib();
    EXPECT_TRUE(error_of(mp4_that_claims(60'000'000)));
    EXPECT_LT(peak_kib() - before, 128 * 1024);
    // A rate of 1 would make 16,000 samples of each.
    EXPECT_EQ(error_of(wav_of(tone(1, 16'000), 1, 1)), ErrorCode::kFailedValidation);
    EXPECT_EQ(error_of(wav_of(tone(1, 16'000), 1, 3'999)), ErrorCode::kFailedValidation);
    EXPECT_EQ(error_of(wav_of(tone(1, 16'000), 1, 400'000)), ErrorCode::kFailedValidation);
}

TEST_F(Listening, AnyPieceOfARecordingEndsInSamplesOrInAWord) {
    const std::string folder = shared_speech();
    if (folder.empty()) GTEST_SKIP() << "the speech data is not here";
    for (const char* const name : {"a.flac", "a.m4a", "a.opus", "a.webm", "a_44k_stereo.mp3"}) {
        std::string bytes = read_whole(folder + "/formats/" + name);
        for (std::size_t i = 200; i < bytes.size(); i += 997) bytes[i] = static_cast<char>(bytes[i] ^ 0x5a);
        const auto harmed = decode(file("harmed", bytes));
        if (!harmed) EXPECT_FALSE(harmed.error().message.empty()) << name;
        const auto cut = decode(file("cut", bytes.substr(0, bytes.size() / 3)));
        if (!cut) EXPECT_FALSE(cut.error().message.empty()) << name;
    }
}

FrameMarks marks_of(std::string_view drawn, int level = 60) {
    FrameMarks out;
    for (const char one : drawn) out.emplace_back(one == '#' ? level : 10, one == '#');
    return out;
}

TEST(Pauses, VoiceIsHeldShortPausesAreBridgedAndTheRestIsCut) {
    const std::string second(100, '#');
    const auto chunks = find_chunks(marks_of(std::string(100, '.') + second + std::string(50, '.') + second +
                                             std::string(200, '.') + second + std::string(100, '.')),
                                    {.pad = std::chrono::milliseconds(200)});
    // 0.5 s between the first two less 0.3 s that the voice is held on: one chunk.
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[0], (Chunk{80 * kFrameSamples, (350 + 30 + 20) * kFrameSamples}));
    EXPECT_EQ(chunks[1], (Chunk{530 * kFrameSamples, (650 + 30 + 20) * kFrameSamples}));
    EXPECT_TRUE(find_chunks(marks_of("....#####...."), {}).empty());  // 50 ms are no speech.
    EXPECT_TRUE(find_chunks({}, {}).empty());
}

TEST(Pauses, SpeechWithoutAPauseIsCutAtItsQuietestPlaceAndNothingIsLost) {
    FrameMarks marks = marks_of(std::string(9000, '#'));
    marks[2500] = FrameMark(20, true);
    const auto chunks = find_chunks(marks, {});
    ASSERT_GE(chunks.size(), 3U);
    EXPECT_EQ(chunks[0], (Chunk{0, 2500 * kFrameSamples}));
    std::int64_t at = 0;
    for (const Chunk& one : chunks) {
        EXPECT_EQ(one.first, at);
        EXPECT_LE(one.end - one.first, 3000 * kFrameSamples);
        at = one.end;
    }
    EXPECT_EQ(at, 9000 * kFrameSamples);
}

TEST(Pauses, TheOtherSpeakersVoiceDoesNotCountOnThisChannel) {
    FrameMarks left = marks_of("####....", 70);
    FrameMarks right = marks_of("########", 40);
    gate_crosstalk(left, right);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_TRUE(left[i].voice());
        EXPECT_FALSE(right[i].voice());
        EXPECT_TRUE(right[i + 4].voice());
    }
}

TEST_F(Listening, SpeechIsFoundWhereItIsAndNotInItsPauses) {
    const std::string folder = shared_speech();
    if (folder.empty()) GTEST_SKIP() << "the speech data is not here";
    const auto heeded = listen(folder + "/vad/mix_snr40.flac", {}, Separation::kAuto, {});
    ASSERT_TRUE(heeded);
    const std::string text = read_whole(folder + "/vad/mix.json");
    std::vector<bool> said(static_cast<std::size_t>(heeded->samples / kFrameSamples) + 1);
    auto heard = said;
    std::size_t at = text.find("\"speech\"");
    for (at = text.find('[', at + 10); at != std::string::npos; at = text.find('[', at + 1)) {
        const double from = std::strtod(text.c_str() + at + 1, nullptr);
        const double to = std::strtod(text.c_str() + text.find(',', at) + 1, nullptr);
        for (auto i = static_cast<std::size_t>(from * 100); i < static_cast<std::size_t>(to * 100); ++i)
            said.at(i) = true;
    }
    for (const Chunk& one : heeded->chunks[0]) {
        for (auto i = one.first / kFrameSamples; i < one.end / kFrameSamples; ++i)
            heard.at(static_cast<std::size_t>(i)) = true;
    }
    double hits = 0;
    double wrong = 0;
    double missed = 0;
    for (std::size_t i = 0; i < said.size(); ++i) {
        hits += said[i] && heard[i] ? 1 : 0;
        wrong += !said[i] && heard[i] ? 1 : 0;
        missed += said[i] && !heard[i] ? 1 : 0;
    }
    // The chunks carry 0.3 s of held voice and the pads, which count as wrong here.
    EXPECT_GT(2 * hits / (2 * hits + wrong + missed), 0.90);
    EXPECT_LT(missed / (hits + missed), 0.03);
}

TEST_F(Listening, TwoChannelsThatHearTheSameAreOneSpeaker) {
    const auto sound = tone(1, 16'000);
    std::vector<std::int16_t> same;
    std::vector<std::int16_t> other;
    const auto second = tone(1, 16'000, 700);
    for (std::size_t i = 0; i < sound.size(); ++i) {
        same.insert(same.end(), {sound[i], sound[i]});
        other.insert(other.end(), {sound[i], second[i]});
    }
    const std::string both = file("same.wav", wav_of(same, 2, 16'000));
    const std::string apart = file("apart.wav", wav_of(other, 2, 16'000));
    EXPECT_FALSE(listen(both, {}, Separation::kAuto, {})->separate);
    EXPECT_TRUE(listen(both, {}, Separation::kOn, {})->separate);
    EXPECT_TRUE(listen(apart, {}, Separation::kAuto, {})->separate);
    EXPECT_FALSE(listen(apart, {}, Separation::kOff, {})->separate);
}

}  // namespace
}  // namespace tidegate::speech
