// Judges that several reports share: rules over records, and looks at the state of the log.
//
// Guarantee   None holds for want of data: a rule that met no record, and a look that finds nothing said, cannot be judged.
#pragma once

#include "services/compliance/reports/control.h"

namespace tidegate::compliance {

// What several reports say of how they know.
inline constexpr const char* kRehashHow =
    "Every record of the leaf ranges is read, hashed again and folded with the rest of the tree; the root must be the "
    "signed one.";
inline constexpr const char* kKeptHow =
    "The schedule of retention, and whether a younger record is gone from the front of the log.";

}  // namespace tidegate::compliance

namespace tidegate::compliance::judges {

/// Decisions name service, operation, model and its version (those that gave an answer).
RecordRule names_model();
/// Decisions name who asked.
RecordRule names_actor();
/// Decisions say what was decided, or why nothing was.
RecordRule says_outcome();
/// Decisions carry the hash of their input.
RecordRule names_input();
/// A decision was recorded within a minute of being made, and not before.
RecordRule recorded_in_time();
/// The clock of the recorder never went back.
RecordRule clock_in_order();
/// Readings of the record name who read.
RecordRule reading_named();
/// Somebody has read the record, or had a report made of it.
RecordRule was_reviewed();
/// Changes of legal holds name who made them.
RecordRule holds_named();

/// The records that were read lead to the signed root.
StateLook unaltered();
/// The log says of no lost records in the period.
StateLook without_gaps();
/// A sample of the records is found by its ids.
StateLook retrievable();
/// The log is signed up to now: the newest checkpoint is younger than five minutes.
StateLook signed_lately();
StateLook kept_six_months();
StateLook kept_three_years();
StateLook kept_five_years();
StateLook kept_six_years();
/// A schedule limits how long records are kept, and it has been followed.
StateLook limited_storage();
/// Each drift alert that was opened in the period was taken up by a person.
StateLook alerts_taken_up();

}  // namespace tidegate::compliance::judges
