#include "services/provenance/text_request.h"

#include "services/provenance/provenance.h"

namespace tidegate::provenance {

using pipeline::Schema;

// The opening of Walden (Henry David Thoreau, 1854; public domain).
const std::string_view kExampleRequest =
    R"({"text":"When I wrote the following pages, or rather the bulk of them, I lived alone, in the woods, a mile from any )"
    R"(neighbor, in a house which I had built myself, on the shore of Walden Pond, in Concord, Massachusetts, and earned my )"
    R"(living by the labor of my hands only. I lived there two years and two months. At present I am a sojourner in civilized )"
    R"(life again. I should not obtrude my affairs so much on the notice of my readers if very particular inquiries had not )"
    R"(been made by my townsmen concerning my mode of life, which some would call impertinent, though they do not appear to )"
    R"(me at all impertinent, but, considering the circumstances, very natural and pertinent.","domain":"essay","language":"en"})";

Schema text_schema() {
    return Schema::string().size(1, kTextCharactersMax).doc("The text, in UTF-8; without NUL.");
}

Schema domain_schema() {
    return Schema::string().size(1, 64).doc("Where the text comes from (news, essay, review); kept with the record.");
}

Schema language_schema() {
    return Schema::string().size(1, 35).doc(
        "BCP 47 tag. Anything but English is answered `uncertain`: the detector was trained on English.");
}

Schema text_request_schema() {
    return Schema::object({
        pipeline::required("text", text_schema()),
        pipeline::optional("domain", domain_schema()),
        pipeline::optional("language", language_schema()),
    });
}

TextContext told_of(json::Value object) {
    TextContext told;
    if (const auto domain = object.find("domain")) told.domain = domain->as_string();
    if (const auto language = object.find("language")) told.language = language->as_string();
    return told;
}

}  // namespace tidegate::provenance
