/** Light, dark, or as the system has it; kept in this browser. */
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const NAME = "philab.theme";

function stored(): Theme {
  const found = localStorage.getItem(NAME);
  return THEMES.find((theme) => theme === found) ?? "system";
}

export const theme = $state({ choice: stored() });

export function chooseTheme(choice: Theme): void {
  theme.choice = choice;
  localStorage.setItem(NAME, choice);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = theme.choice;
}
