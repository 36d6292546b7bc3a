// Pages load it as well, so that it imports no zod.

/** `blocks`: the company cannot be switched with it. `loses`: what the other side has no place for. `tells`: nothing has to be done. */
type Severity = "blocks" | "loses" | "tells";

interface Meaning {
  readonly severity: Severity;
  /** What it is, and what to do about it. */
  readonly sentence: string;
}

/** Everything that a migration can find, with what to do about each. */
export const findingMeanings = {
  NAME_REFUSED: {
    severity: "blocks",
    sentence:
      "No secret may have this name here. Give it a name of letters, digits and underscores in Infisical, or leave it behind by name.",
  },
  NOT_LISTED: {
    severity: "blocks",
    sentence:
      "The catalogue lists no secret of this name, and it does not begin with CUSTOM_. Add it to the catalogue, or leave it behind by name.",
  },
  VALUE_REFUSED: {
    severity: "blocks",
    sentence:
      "The catalogue refuses its value. Replace the value in Infisical, change the catalogue, or leave it behind by name.",
  },
  TOO_LARGE: {
    severity: "blocks",
    sentence: "Its value has more than 65,536 bytes. Shorten it in Infisical, or leave it behind by name.",
  },
  NUL: {
    severity: "blocks",
    sentence: "Its value contains NUL. Replace it in Infisical, or leave it behind by name.",
  },
  NOT_WELL_FORMED: {
    severity: "blocks",
    sentence: "Its value is not well-formed Unicode. Replace it, or remove it.",
  },
  EMPTY: {
    severity: "blocks",
    sentence: "Its value is empty. Remove it in Infisical, give it a value, or leave it behind by name.",
  },
  TWIN: {
    severity: "blocks",
    sentence:
      "Several secrets of the folder have this name. Delete all but one in Infisical, or take the newest, which is what reads served (--take-newest).",
  },
  HIDDEN: {
    severity: "blocks",
    sentence:
      "Infisical hides its value from this service. Give the machine identity the permission to read values in the company's folder.",
  },
  DIFFERS_HERE: {
    severity: "blocks",
    sentence:
      "The database has another value, which was written there, while the company reads from Infisical. Write the right value once more, through this product.",
  },
  DIFFERS: {
    severity: "blocks",
    sentence:
      "A verification found different values on the two sides, or a value on one side alone. Copy once more, which brings what the folder has; a rollback brings what the database has.",
  },
  TOMBSTONED_HERE: {
    severity: "blocks",
    sentence:
      "The secret was removed in the database, while the company reads it from Infisical. Write it once more, or remove it, through this product.",
  },
  UNOPENABLE: {
    severity: "blocks",
    sentence:
      'Its value in the database does not decrypt. "audit verify" tells more; write the value once more, or remove the secret.',
  },
  FOLDER_EMPTY: {
    severity: "blocks",
    sentence:
      "The folder was not empty before and is now. Look at it in Infisical: if everything was removed there on purpose, remove the secrets through this product.",
  },
  TWIN_FOLDER: {
    severity: "blocks",
    sentence:
      "Several folders have the company's name. Join their secrets in one of them, and delete the others.",
  },
  WHITE_SPACE: {
    severity: "blocks",
    sentence: "Infisical would cut white space off its value. Replace the value, or remove the secret.",
  },
  REFUSED_BY_INFISICAL: {
    severity: "blocks",
    sentence:
      "Infisical refuses its value, as it does with a reference that leads nowhere. Replace the value, or remove the secret.",
  },
  CHANGED_AFTERWARDS: {
    severity: "blocks",
    sentence:
      "It was changed in the folder after the company had left it. Write the right value through this product, then remove it in the folder.",
  },
  NOT_COPIED: {
    severity: "blocks",
    sentence:
      "Only the folder has it. Write it through this product, or remove it in the folder, before the folder goes.",
  },
  STAYS: {
    severity: "tells",
    sentence:
      "The catalogue keeps this secret in Infisical. The hybrid store reads it there; for the database store it has to be left behind by name.",
  },
  REFERENCE: {
    severity: "tells",
    sentence:
      "Its value contains a reference of Infisical, ${…}. The text moves as it is, and is expanded nowhere.",
  },
  SUBFOLDER: {
    severity: "tells",
    sentence: "The company's folder has folders in it. They are not looked at.",
  },
  IMPORT: { severity: "tells", sentence: "The folder imports others. What it imports does not move." },
  PERSONAL: {
    severity: "tells",
    sentence: "People have overridden it for themselves. The shared value moves.",
  },
  COMPANY_WITHOUT_FOLDER: {
    severity: "tells",
    sentence: "The company has no folder in Infisical: there is nothing to move.",
  },
  LOSES_COMMENT: { severity: "loses", sentence: "Its comment in Infisical does not move." },
  LOSES_TAGS: { severity: "loses", sentence: "Its tags in Infisical do not move." },
  LOSES_METADATA: { severity: "loses", sentence: "Its metadata in Infisical do not move." },
  LOSES_REMINDER: { severity: "loses", sentence: "Its reminder in Infisical does not move." },
  LOSES_PENDING: {
    severity: "loses",
    sentence: "Its pending version stays in the database, where it is not active.",
  },
  LOSES_GRACE: {
    severity: "loses",
    sentence: "Earlier versions in their grace window are not active any more.",
  },
  LOSES_EXPIRY: {
    severity: "loses",
    sentence: "Its expiry date stays in the database, and is not reminded of.",
  },
  LOSES_HISTORY: {
    severity: "loses",
    sentence: "Its earlier versions stay in the database, where they are not shown.",
  },
} as const satisfies Readonly<Record<string, Meaning>>;

export type FindingCode = keyof typeof findingMeanings;

/** What each count of a company's secrets says, in the order in which they are said. */
const countWords = {
  inFolder: "in the folder",
  inDatabase: "in the database",
  equal: "equal",
  onlyInFolder: "only in the folder",
  newerInFolder: "newer in the folder",
  removedInFolder: "removed in the folder",
  newerInDatabase: "newer in the database",
  onlyInDatabase: "only in the database",
  removedInDatabase: "removed in the database",
  blocked: "not to be moved",
  stays: "staying in Infisical",
  unopenable: "not decrypted",
} as const;

type CountName = keyof typeof countWords;
const countNames: readonly CountName[] = [
  "inFolder",
  "inDatabase",
  "equal",
  "onlyInFolder",
  "newerInFolder",
  "removedInFolder",
  "newerInDatabase",
  "onlyInDatabase",
  "removedInDatabase",
  "blocked",
  "stays",
  "unopenable",
];

/** How the secrets of a company stand, such as "3 in the folder": the two sides always, the others where there are some. */
export function countsInWords(counts: Readonly<Record<CountName, number>>): readonly string[] {
  return countNames
    .filter((name) => counts[name] > 0 || name === "inFolder" || name === "inDatabase")
    .map((name) => `${counts[name]} ${countWords[name]}`);
}
