// Texts for the detector's tests, written for them.
#pragma once

#include <string>
#include <string_view>

namespace tidegate::provenance::text::testing {

// About 130 words in the manner of a person telling a story.
inline constexpr std::string_view kProse =
    "We got to the harbour late, which was my fault, because I'd left the keys in the other coat. The boat was gone. "
    "Dad didn't say a word; he sat on a bollard and ate his sandwich, and after a while so did I. There's a smell "
    "down there - diesel, weed, something frying - that I still can't meet without thinking of that morning. At ten "
    "the second ferry came in. A man in an orange jacket waved us on, no ticket, no questions, and we stood at the "
    "rail the whole way across and counted jellyfish. I made it forty-one. He made it sixty, but he was counting "
    "bags too, I'm sure of it. We never did see the seals. Next year, he said, and we both knew what that meant, and "
    "neither of us minded very much.";

// About 100 words in the manner of a chat model.
inline constexpr std::string_view kMachineProse =
    "In today's fast-paced world, effective communication has become more important than ever. Whether in the "
    "workplace or in our personal lives, the ability to convey ideas clearly can make a significant difference. "
    "Moreover, strong communication fosters trust, encourages collaboration, and helps to build lasting "
    "relationships. By actively listening and expressing empathy, individuals can navigate complex situations with "
    "confidence. Furthermore, technology has transformed the way we connect, offering new opportunities while also "
    "presenting unique challenges. Ultimately, mastering the art of communication is not just a skill but a lifelong "
    "journey that requires dedication, practice, and a willingness to grow.";

inline std::string repeat(std::string_view piece, std::size_t times) {
    std::string out;
    out.reserve(piece.size() * times);
    for (std::size_t i = 0; i < times; ++i) out += piece;
    return out;
}

}  // namespace tidegate::provenance::text::testing
