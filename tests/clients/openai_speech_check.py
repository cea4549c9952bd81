#!/usr/bin/env python3
"""OpenAI's Python client against the speech service: openai_speech_check.py PORT KEY RECORDING EMPTY WORDS. Ends with 0 and `ok N` when N things held.

RECORDING says WORDS; EMPTY is a file without a byte. The engine is the embedded one."""
import sys

import openai

held = 0


def hold(what, condition):
    global held
    if not condition:
        sys.exit(f"does not hold: {what}")
    held += 1


def refused(what, kind, part, call):
    try:
        call()
    except kind as error:
        hold(f"{what}: {error.body}", error.body["type"] == "invalid_request_error" and part in error.body["message"])
        return
    sys.exit(f"was not refused: {what}")


port, key, path, empty, words = sys.argv[1:]
client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
audio = client.audio


def transcribe(**more):
    with open(path, "rb") as file:
        return audio.transcriptions.create(file=file, model="whisper-1", **more)


plain = transcribe()
hold("json", plain.text == words)
hold("usage", plain.usage.type == "duration" and plain.usage.seconds >= 1)
hold("text", transcribe(response_format="text") == words + "\n")
srt = transcribe(response_format="srt")
hold("srt", srt.startswith("1\n00:00:0") and " --> " in srt and words.split()[0] in srt)
vtt = transcribe(response_format="vtt")
hold("vtt", vtt.startswith("WEBVTT\n\n00:00:0") and " --> " in vtt)
verbose = transcribe(response_format="verbose_json", language="en", temperature=0, prompt="names")
hold("verbose", verbose.text == words and verbose.language == "english" and float(verbose.duration) > 1)
hold("segments", " ".join(one.text for one in verbose.segments) == words and verbose.words is None)
first = verbose.segments[0]
hold("segment", first.id == 0 and 0 <= first.start < first.end and first.avg_logprob <= 0 and first.compression_ratio > 0)
timed = transcribe(response_format="verbose_json", timestamp_granularities=["word"])
hold("words", [one.word for one in timed.words] == words.split() and timed.segments is None)
hold("order", all(a.start <= b.start and a.start < a.end for a, b in zip(timed.words, timed.words[1:])))
raw = audio.transcriptions.with_raw_response.create(file=("said.wav", open(path, "rb").read()), model="whisper-1")
hold("engine", raw.headers["x-model"] == "pocketsphinx-en-us" and raw.headers["x-engine"] == "embedded")

with open(path, "rb") as file:
    english = audio.translations.create(file=file, model="whisper-1", extra_body={"language": "en"})
hold("translation", english.text == words)
with open(path, "rb") as file:
    refused("a translation", openai.BadRequestError, "speech.engine", lambda: audio.translations.create(file=file, model="whisper-1"))
refused("a format", openai.BadRequestError, "response_format", lambda: transcribe(response_format="xml"))
refused("a language", openai.BadRequestError, "language", lambda: transcribe(language="fr"))
refused("granularities", openai.BadRequestError, "verbose_json", lambda: transcribe(timestamp_granularities=["word"]))
with open(path, "rb") as file:
    refused("a model", openai.NotFoundError, "model", lambda: audio.transcriptions.create(file=file, model="gpt-9"))
with open(empty, "rb") as file:
    refused("an empty file", openai.BadRequestError, "empty", lambda: audio.transcriptions.create(file=file, model="whisper-1"))
refused(
    "no sound", openai.APIStatusError, "", lambda: audio.transcriptions.create(file=("a.wav", b"no sound at all"), model="whisper-1")
)
stranger = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="tg_not_a_key", max_retries=0)
try:
    stranger.audio.transcriptions.create(file=("a.wav", b"x"), model="whisper-1")
    sys.exit("a stranger was let in")
except openai.AuthenticationError as error:
    hold("stranger", error.body["type"] == "authentication_error")
print("ok", held)
