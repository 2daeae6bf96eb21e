/** Words that tasks draw from; each task keeps those that are one token of the loaded tokenizer. */

/** Names that most texts use for one gender, half and half. */
export const MALE_NAMES =
  `John Tom James Dan Martin Michael Robert David William Paul Mark Jack Bob Sam Max Ben George
Kevin Brian Peter Scott Eric Adam Ryan Jason Justin Simon Thomas Richard Matthew Joseph Daniel Andrew Patrick Charles
Henry Luke Alex Steven Tony`.split(/\s+/);

export const FEMALE_NAMES =
  `Mary Sarah Anna Emma Alice Kate Lucy Ruth Ella Sara Rose Lisa Laura Jane Amy Rachel Julia
Emily Jessica Jennifer Michelle Melissa Stephanie Nicole Elizabeth Amanda Rebecca Christina Maria Victoria Helen Susan
Linda Karen Nancy Claire Angela Diana Kelly Allison`.split(/\s+/);

export const NAMES = MALE_NAMES.flatMap((name, i) => [name, FEMALE_NAMES[i] as string]);

export const PLACES =
  `store park school station library garden market beach office restaurant house hospital`.split(
    /\s+/,
  );

export const OBJECTS =
  `book ring hat cup pen bag cake letter ball drink basketball computer necklace bone snack`.split(
    /\s+/,
  );

/** Singular and plural. */
export const NOUNS: readonly (readonly [one: string, many: string])[] = [
  ["key", "keys"],
  ["name", "names"],
  ["file", "files"],
  ["line", "lines"],
  ["string", "strings"],
  ["object", "objects"],
  ["number", "numbers"],
  ["argument", "arguments"],
  ["byte", "bytes"],
  ["boy", "boys"],
  ["girl", "girls"],
  ["friend", "friends"],
  ["author", "authors"],
  ["dog", "dogs"],
  ["car", "cars"],
  ["teacher", "teachers"],
  ["officer", "officers"],
  ["manager", "managers"],
];

/** What a parameter of a function may be called, or its description say. */
export const PLAIN_WORDS =
  `load size files last port user data result first path text mode value state item color table
level order frame index point time type source target group range title page client key list name stage image word left
right line string number object argument message response filter flag default content parser directory buffer output
input version format state version stream thread event process signal action context method`.split(
    /\s+/,
  );

/** What lasts from one year to another. */
export const EVENTS =
  `war battle siege conflict campaign plan project work test task process strike voyage reign study tour
trial program`.split(/\s+/);
