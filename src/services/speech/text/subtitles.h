// Subtitles: a transcript as SubRip, WebVTT and plain text.
//
// Source      SubRip as players read it (`HH:MM:SS,mmm`); WebVTT (W3C). Both as OpenAI's transcription route writes them.
// Threads     Any.
#pragma once

#include <span>
#include <string>

#include "services/speech/recognise/transcribe.h"

namespace tidegate::speech {

/// `named`: each line says who speaks.
std::string to_srt(std::span<const Segment> segments, bool named);
std::string to_vtt(std::span<const Segment> segments, bool named);
/// The words, a line each segment where `named`, else with a blank between them.
std::string to_text(std::span<const Segment> segments, bool named);
/// `01:02:03` and the milliseconds behind `point`.
std::string format_cue_time(double seconds, char point);

}  // namespace tidegate::speech
