#include "services/speech/audio/sound_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace tidegate::speech {
namespace {

// Containers that hold their sound themselves. None of those that name other files or addresses (hls, dash, concat, subfile, ...).
constexpr const char* kContainers = "wav,w64,aiff,au,caf,flac,mp3,mov,ogg,matroska,aac,amr";
constexpr const char* kCodecs =
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_u8,pcm_s8,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,"
    "pcm_alaw,pcm_mulaw,adpcm_ima_wav,adpcm_ms,flac,alac,mp3,mp3float,mp2,mp2float,aac,vorbis,opus,amrnb,amrwb";
constexpr int kReadBytes = 32 * 1024;
// What libav may read to find out what a file is: enough for a cover picture in front of the sound.
constexpr const char* kProbeBytes = "2000000";
// A box of a few bytes may claim any number of samples: no table that libav makes of them grows beyond (15 hours of AAC).
constexpr std::size_t kLibavBlockMax = std::size_t{64} * 1024 * 1024;
constexpr const char* kStreamsMax = "8";
// Below no voice is left; above is no recording, and 16 kHz made of it would be any amount.
constexpr int kRateMin = 4'000;
constexpr int kRateMax = 384'000;
// A recording with one packet in ten broken is not one to transcribe.
constexpr std::uint64_t kGoodPacketsForABroken = 9;

void drop_libav_log(void* /*unused*/, int /*unused*/, const char* /*unused*/, va_list /*unused*/) {}

/// Of the whole process, once: its messages carry pieces of the input; ours carry what matters of them.
void set_up_libav() {
    static const bool once = [] {
        av_log_set_callback(&drop_libav_log);
        av_max_alloc(kLibavBlockMax);
        return true;
    }();
    static_cast<void>(once);
}

bool is_good_rate(int rate) {
    return rate >= kRateMin && rate <= kRateMax;
}

std::string libav_words(int code) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(code, text.data(), text.size());
    return text.data();
}

/// Nothing but the one file is ever opened.
int refuse_open(AVFormatContext* /*unused*/, AVIOContext** out, const char* /*unused*/, int /*unused*/,
                AVDictionary** /*unused*/) {
    *out = nullptr;
    return AVERROR(EPERM);
}

/// Whether a WAV file's sound is longer by its header than the file: libav takes such a file as if it had been meant to be short.
bool is_cut_wav(int fd) {
    const auto read_at = [fd](std::int64_t at, std::array<std::uint8_t, 8>& out) {
        return ::pread(fd, out.data(), out.size(), at) == static_cast<ssize_t>(out.size());
    };
    const std::int64_t size = ::lseek(fd, 0, SEEK_END);
    std::array<std::uint8_t, 8> head{};
    constexpr int kChunksMax = 1000;  // Of other matter before the sound.
    std::int64_t at = 12;             // Behind `RIFF`, its length and `WAVE`.
    for (int i = 0; i < kChunksMax && read_at(at, head); ++i) {
        const std::uint32_t length =
            head[4] | head[5] << 8U | head[6] << 16U | static_cast<std::uint32_t>(head[7]) << 24U;
        at += 8;
        if (std::string_view(reinterpret_cast<const char*>(head.data()), 4) == "data") {
            // Whoever writes to a pipe does not know the length, and says nothing or the most there is.
            return length != 0 && length < 0xffff0000U && at + length > size;
        }
        at += length + (length & 1U);
    }
    return false;
}

struct FormatEnd {
    void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
};
struct CodecEnd {
    void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};
struct PacketEnd {
    void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
struct FrameEnd {
    void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
};
struct ResamplerEnd {
    void operator()(SwrContext* context) const noexcept { swr_free(&context); }
};
struct ReaderEnd {
    void operator()(AVIOContext* context) const noexcept {
        av_freep(static_cast<void*>(&context->buffer));
        avio_context_free(&context);
    }
};

}  // namespace

struct SoundFile::Parts {
    SoundLimits limits;
    SoundInfo info;
    int fd = -1;
    std::unique_ptr<AVIOContext, ReaderEnd> reader;
    std::unique_ptr<AVFormatContext, FormatEnd> format;  // Ends before its reader.
    std::unique_ptr<AVCodecContext, CodecEnd> codec;
    std::unique_ptr<SwrContext, ResamplerEnd> resampler;
    std::unique_ptr<AVPacket, PacketEnd> packet;
    std::unique_ptr<AVFrame, FrameEnd> frame;
    int stream = -1;
    std::size_t channels_out = 1;
    // What the resampler was made for: a chained stream may change it.
    int in_rate = 0, in_format = -1, in_channels = 0;
    std::int64_t samples = 0;  // Given out.
    std::uint64_t good = 0, broken = 0;
    bool ended = false;  // The file.
    bool flushed = false;

    ~Parts() {
        format.reset();
        if (fd >= 0) ::close(fd);
    }

    static int read(void* self, std::uint8_t* out, int size) {
        auto& parts = *static_cast<Parts*>(self);
        for (;;) {
            // libav asks its own interrupt only of addresses, never of reads that are ours.
            if (interrupt(self) != 0) return AVERROR_EXIT;
            const auto got = ::read(parts.fd, out, static_cast<std::size_t>(size));
            if (got > 0) return static_cast<int>(got);
            if (got == 0) return AVERROR_EOF;
            if (errno != EINTR) return AVERROR(errno);
        }
    }
    static std::int64_t seek(void* self, std::int64_t offset, int whence) {
        auto& parts = *static_cast<Parts*>(self);
        if (interrupt(self) != 0) return AVERROR_EXIT;
        if ((whence & AVSEEK_SIZE) != 0) {
            const auto here = ::lseek(parts.fd, 0, SEEK_CUR);
            const auto end = ::lseek(parts.fd, 0, SEEK_END);
            ::lseek(parts.fd, here, SEEK_SET);
            return end;
        }
        return ::lseek(parts.fd, offset, whence & ~AVSEEK_FORCE);
    }
    static int interrupt(void* self) {
        const auto& parts = *static_cast<const Parts*>(self);
        return parts.limits.should_stop && parts.limits.should_stop() ? 1 : 0;
    }

    Result<void> open_file(const std::string& path);
    Result<void> open_container();
    Result<void> open_codec();
};

Result<void> SoundFile::Parts::open_file(const std::string& path) {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(ErrorCode::kUnavailable, "The recording cannot be opened.");
    // The buffer is the reader's: libav may replace it.
    auto* const buffer = static_cast<std::uint8_t*>(av_malloc(kReadBytes));
    if (buffer == nullptr) return fail(ErrorCode::kUnavailable, "There is no memory for the recording.");
    reader.reset(avio_alloc_context(buffer, kReadBytes, 0, this, &Parts::read, nullptr, &Parts::seek));
    packet.reset(av_packet_alloc());
    frame.reset(av_frame_alloc());
    if (!reader || !packet || !frame) return fail(ErrorCode::kUnavailable, "There is no memory for the recording.");
    return {};
}

Result<void> SoundFile::Parts::open_container() {
    AVFormatContext* context = avformat_alloc_context();
    if (context == nullptr) return fail(ErrorCode::kUnavailable, "There is no memory for the recording.");
    context->pb = reader.get();
    context->flags |= AVFMT_FLAG_CUSTOM_IO;
    context->io_open = &refuse_open;
    context->interrupt_callback = {&Parts::interrupt, this};
    AVDictionary* options = nullptr;
    av_dict_set(&options, "format_whitelist", kContainers, 0);
    av_dict_set(&options, "codec_whitelist", kCodecs, 0);
    av_dict_set(&options, "protocol_whitelist", "", 0);
    av_dict_set(&options, "probesize", kProbeBytes, 0);
    av_dict_set(&options, "max_streams", kStreamsMax, 0);
    // On failure it frees the context itself.
    const int opened = avformat_open_input(&context, nullptr, nullptr, &options);
    av_dict_free(&options);
    if (opened >= 0) format.reset(context);
    if (interrupt(this) != 0) return fail(ErrorCode::kCancelled, "The work was cancelled.");
    if (opened < 0) {
        return fail(ErrorCode::kUnsupportedMedia,
                    fmt::format("This is no recording that can be read ({}).", libav_words(opened)));
    }
    const int found = avformat_find_stream_info(context, nullptr);
    if (interrupt(this) != 0) return fail(ErrorCode::kCancelled, "The work was cancelled.");
    if (found < 0) {
        return fail(ErrorCode::kFailedValidation, fmt::format("The recording is broken ({}).", libav_words(found)));
    }
    return {};
}

Result<void> SoundFile::Parts::open_codec() {
    const AVCodec* decoder = nullptr;
    stream = av_find_best_stream(format.get(), AVMEDIA_TYPE_AUDIO, -1, -1, &decoder, 0);
    if (stream < 0 || decoder == nullptr) {
        return fail(ErrorCode::kUnsupportedMedia, "There is no sound in it that can be decoded.");
    }
    for (unsigned i = 0; i < format->nb_streams; ++i) {
        if (static_cast<int>(i) != stream) format->streams[i]->discard = AVDISCARD_ALL;
    }
    const AVStream& chosen = *format->streams[stream];
    codec.reset(avcodec_alloc_context3(decoder));
    if (!codec || avcodec_parameters_to_context(codec.get(), chosen.codecpar) < 0) {
        return fail(ErrorCode::kFailedValidation, "The recording's sound is described wrongly.");
    }
    codec->pkt_timebase = chosen.time_base;
    codec->thread_count = 1;
    AVDictionary* options = nullptr;
    av_dict_set(&options, "codec_whitelist", kCodecs, 0);
    const int opened = avcodec_open2(codec.get(), decoder, &options);
    av_dict_free(&options);
    if (opened < 0) {
        return fail(ErrorCode::kUnsupportedMedia,
                    fmt::format("Sound of the kind {} is not decoded here.", decoder->name));
    }
    // Some say it with their first frame only.
    if (codec->sample_rate != 0 && !is_good_rate(codec->sample_rate)) {
        return fail(ErrorCode::kFailedValidation,
                    fmt::format("The recording has {} samples a second; {} to {} are taken.", codec->sample_rate,
                                kRateMin, kRateMax));
    }
    info.container = format->iformat->name;
    info.codec = decoder->name;
    info.sample_rate = static_cast<unsigned>(std::max(0, codec->sample_rate));
    info.channels = static_cast<unsigned>(std::max(0, codec->ch_layout.nb_channels));
    if (chosen.duration > 0) {
        info.duration_s = static_cast<double>(chosen.duration) * av_q2d(chosen.time_base);
    } else if (format->duration > 0) {
        info.duration_s = static_cast<double>(format->duration) / AV_TIME_BASE;
    }
    return {};
}

SoundFile::SoundFile(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SoundFile::~SoundFile() = default;

const SoundInfo& SoundFile::info() const noexcept {
    return parts_->info;
}

std::size_t SoundFile::channels() const noexcept {
    return parts_->channels_out;
}

Result<std::unique_ptr<SoundFile>> SoundFile::open(const std::string& path, const SoundLimits& limits) {
    set_up_libav();
    auto parts = std::make_unique<Parts>();
    parts->limits = limits;
    TG_CHECK(parts->open_file(path));
    TG_CHECK(parts->open_container());
    TG_CHECK(parts->open_codec());
    if (parts->info.channels > limits.channels_max) {
        return fail(ErrorCode::kTooLarge, fmt::format("The recording has {} channels; {} are taken.",
                                                      parts->info.channels, limits.channels_max));
    }
    // A raw stream's length is a guess from its bit rate: only what is far over is refused by it.
    if (parts->info.duration_s && *parts->info.duration_s > 2 * limits.seconds_max) {
        return fail(ErrorCode::kTooLarge, fmt::format("The recording lasts {:.0f} s; {:.0f} s are taken.",
                                                      *parts->info.duration_s, limits.seconds_max));
    }
    if (parts->info.container == "wav") {
        const std::int64_t here = ::lseek(parts->fd, 0, SEEK_CUR);
        const bool cut = is_cut_wav(parts->fd);
        ::lseek(parts->fd, here, SEEK_SET);
        if (cut) {
            return fail(ErrorCode::kFailedValidation, "The recording is cut short: its head says more than it holds.");
        }
    }
    parts->channels_out = parts->info.channels == 2 ? 2 : 1;
    return std::unique_ptr<SoundFile>(new SoundFile(std::move(parts)));
}

/// Makes the resampler for what the frame in hand is.
Result<void> SoundFile::configure() {
    Parts& p = *parts_;
    const AVFrame& frame = *p.frame;
    if (!is_good_rate(frame.sample_rate) || frame.ch_layout.nb_channels <= 0 ||
        frame.ch_layout.nb_channels > static_cast<int>(p.limits.channels_max)) {
        return fail(ErrorCode::kFailedValidation, "The recording's sound is described wrongly.");
    }
    AVChannelLayout in{};
    av_channel_layout_default(&in, frame.ch_layout.nb_channels);
    AVChannelLayout out{};
    av_channel_layout_default(&out, static_cast<int>(p.channels_out));
    SwrContext* made = nullptr;
    const int set = swr_alloc_set_opts2(&made, &out, AV_SAMPLE_FMT_S16P, static_cast<int>(kSampleRate), &in,
                                        static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
    p.resampler.reset(made);
    if (set < 0 || swr_init(made) < 0) {
        return fail(ErrorCode::kFailedValidation, "The recording's sound cannot be brought to 16 kHz.");
    }
    p.in_rate = frame.sample_rate;
    p.in_format = frame.format;
    p.in_channels = frame.ch_layout.nb_channels;
    return {};
}

/// Appends what the resampler gives of the frame in hand, or of what it still holds.
Result<void> SoundFile::convert(SoundBlock& out, bool flush) {
    Parts& p = *parts_;
    if (!p.resampler) return {};
    const int room = swr_get_out_samples(p.resampler.get(), flush ? 0 : p.frame->nb_samples);
    if (room < 0) return fail(ErrorCode::kFailedValidation, "The recording's sound cannot be brought to 16 kHz.");
    if (room == 0) return {};
    // Before there is memory for it; a second for what the resampler guesses too much.
    const auto too_long = [&] {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("The recording is longer than the {:.0f} s that are taken.", p.limits.seconds_max));
    };
    if (to_seconds(p.samples + room) > p.limits.seconds_max + 1) return too_long();
    const std::size_t before = out.size();
    std::array<std::uint8_t*, kChannelsMax> planes{};
    for (std::size_t c = 0; c < p.channels_out; ++c) {
        out.channels[c].resize(before + static_cast<std::size_t>(room));
        planes[c] = reinterpret_cast<std::uint8_t*>(out.channels[c].data() + before);  // libav's planes are bytes.
    }
    const int got = swr_convert(p.resampler.get(), planes.data(), room,
                                flush ? nullptr : const_cast<const std::uint8_t**>(p.frame->extended_data),
                                flush ? 0 : p.frame->nb_samples);
    for (std::size_t c = 0; c < p.channels_out; ++c) {
        out.channels[c].resize(before + static_cast<std::size_t>(std::max(got, 0)));
    }
    if (got < 0) return fail(ErrorCode::kFailedValidation, "The recording's sound cannot be brought to 16 kHz.");
    p.samples += got;
    if (to_seconds(p.samples) > p.limits.seconds_max) return too_long();
    return {};
}

Result<void> SoundFile::take_frames(SoundBlock& out) {
    Parts& p = *parts_;
    for (;;) {
        const int got = avcodec_receive_frame(p.codec.get(), p.frame.get());
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return {};
        if (got < 0) {
            ++p.broken;
            return {};
        }
        ++p.good;
        const AVFrame& frame = *p.frame;
        if (frame.sample_rate != p.in_rate || frame.format != p.in_format ||
            frame.ch_layout.nb_channels != p.in_channels) {
            TG_CHECK(convert(out, true));
            TG_CHECK(configure());
        }
        const auto done = convert(out, false);
        av_frame_unref(p.frame.get());
        TG_CHECK(done);
    }
}

/// Hands the decoder the next packet; false: the file is at its end, and the decoder has been told.
Result<bool> SoundFile::read_packet() {
    Parts& p = *parts_;
    const int got = av_read_frame(p.format.get(), p.packet.get());
    if (got == AVERROR_EXIT || Parts::interrupt(&p) != 0) {
        av_packet_unref(p.packet.get());
        return fail(ErrorCode::kCancelled, "The work was cancelled.");
    }
    if (got < 0) {
        if (got != AVERROR_EOF) ++p.broken;
        avcodec_send_packet(p.codec.get(), nullptr);
        p.ended = true;
        return false;
    }
    if (p.packet->stream_index == p.stream && avcodec_send_packet(p.codec.get(), p.packet.get()) < 0) ++p.broken;
    av_packet_unref(p.packet.get());
    return true;
}

Result<void> SoundFile::judge_end() const {
    const Parts& p = *parts_;
    if (p.good == 0 || p.samples == 0) return fail(ErrorCode::kFailedValidation, "No sound could be decoded from it.");
    if (p.broken > p.good / kGoodPacketsForABroken) {
        return fail(ErrorCode::kFailedValidation,
                    fmt::format("The recording is broken: {} pieces could not be decoded.", p.broken));
    }
    // These say how long they are, in samples; what says so by its bit rate or its last page cannot be found short.
    constexpr std::array<std::string_view, 5> kExact{"w64", "flac", "aiff", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"};
    const double got = to_seconds(p.samples);
    if (std::ranges::find(kExact, p.info.container) != kExact.end() && p.info.duration_s &&
        got < 0.98 * *p.info.duration_s - 0.1) {
        return fail(
            ErrorCode::kFailedValidation,
            fmt::format("The recording is cut short: it says {:.1f} s and holds {:.1f} s.", *p.info.duration_s, got));
    }
    return {};
}

Result<bool> SoundFile::next(SoundBlock& out) {
    for (auto& channel : out.channels) channel.clear();
    Parts& p = *parts_;
    while (out.size() == 0) {
        if (p.flushed) {
            TG_CHECK(judge_end());
            return false;
        }
        if (!p.ended) TG_CHECK(read_packet());
        TG_CHECK(take_frames(out));
        if (p.ended) {
            TG_CHECK(convert(out, true));
            p.flushed = true;
        }
    }
    return true;
}

}  // namespace tidegate::speech
