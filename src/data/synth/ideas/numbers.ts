/** Ideas about digits, divisors and sequences of numbers. */
import { idea } from "./idea.ts";

const N = { n: "natural" } as const;

export const NUMBER_IDEAS = [
  idea(
    "clamp",
    "clamp|limit|bound|clip|keep_between",
    { x: "integer", lo: "integer", hi: "integer" },
    [
      "Clamp $x <between|to the interval from> $lo and $hi.",
      "@ $x, but at least $lo and at most $hi.",
      "Force $x to lie between $lo and $hi.",
      "@ $lo if $x is <less|smaller>, $hi if it is <greater|larger>, and $x otherwise.",
      "Keep $x <within|inside> the bounds $lo and $hi.",
      "Limit $x to the <interval|numbers> <from $lo to $hi|between $lo and $hi>.",
      "@ $x cut off at $lo <below|from below> and $hi <above|from above>.",
    ],
    [
      "return max($lo, min($hi, $x))",
      "if $lo > $hi:\n    return $lo\nreturn sorted([$lo, $x, $hi])[1]",
    ],
  ),
  idea(
    "digit sum",
    "digit_sum|sum_digits|add_digits|digits_total",
    N,
    [
      "Add <up|together> the <decimal digits|digits> of $n.",
      "@ the sum of <all|the decimal> digits of the <number|integer> $n.",
      "@ what the digits of $n add up to.",
      "Sum the digits of $n.",
      "@ the sum of the digits that <the non-negative number $n|$n> is written with.",
    ],
    [
      "return sum(int(c) for c in str($n))",
      "r = 0\nwhile $n > 0:\n    r += $n % 10\n    $n //= 10\nreturn r",
    ],
  ),
  idea(
    "number of digits",
    "num_digits|digit_count|count_digits",
    N,
    ["@ how many digits $n has.", "Count the digits of <$n|the number $n>."],
    ["return len(str($n))", "r = 1\nwhile $n > 9:\n    r += 1\n    $n //= 10\nreturn r"],
  ),
  idea(
    "reverse number",
    "reverse_number|reverse_digits|flip_number",
    N,
    ["@ the number whose digits are those of $n backwards.", "Reverse the digits of $n."],
    [
      "return int(str($n)[::-1])",
      "r = 0\nwhile $n > 0:\n    r = 10 * r + $n % 10\n    $n //= 10\nreturn r",
    ],
  ),
  idea(
    "list of digits",
    "digits|digit_list|digits_of",
    N,
    ["@ the list of the digits of $n.", "Split $n into a list of its digits."],
    ["return [int(c) for c in str($n)]", 'return [ord(c) - ord("0") for c in str($n)]'],
  ),
  idea(
    "factorial",
    "factorial|fact|factorial_of|product_to",
    { n: "natural" },
    [
      "@ $n factorial<|, the product of the numbers from 1 to $n>.",
      "Multiply <all|together all> whole numbers from 1 to $n.",
      "@ the product of the whole numbers from 1 <to|up to> $n.",
      "@ the factorial <of the number $n|$n!>.",
    ],
    [
      "r = 1\nfor i in range(2, $n + 1):\n    r *= i\nreturn r",
      "import math\nreturn math.factorial($n)",
    ],
  ),
  idea(
    "sum to n",
    "sum_to|triangular|triangle_number|add_up_to",
    N,
    [
      "@ the sum of the whole numbers from 1 <to|up to> $n.",
      "Add <up|together> all <numbers|whole numbers> from 1 to $n.",
    ],
    ["return sum(range(1, $n + 1))", "return $n * ($n + 1) // 2"],
  ),
  idea(
    "sum of squares to n",
    "sum_squares|squares_to|add_squares",
    N,
    [
      "@ the sum of the squares of the numbers from 1 to $n.",
      "Add up the squares of 1, 2 and so on up to $n.",
    ],
    ["return sum(i * i for i in range(1, $n + 1))", "return $n * ($n + 1) * (2 * $n + 1) // 6"],
  ),
  idea(
    "fibonacci",
    "fibonacci|fib|nth_fibonacci|fib_number",
    N,
    [
      "@ <the Fibonacci number with index|Fibonacci number> $n, <counting from 0|beginning with 0 and 1>.",
      "@ the element at position $n of the Fibonacci <sequence|numbers> 0, 1, 1, 2, 3, 5.",
      "@ Fibonacci number $n; <numbers 0 and 1|the first two> are 0 and 1.",
      "Compute the Fibonacci sequence up to <number|place> $n, beginning with 0 and 1, and return <that number|its last number>.",
      "@ the Fibonacci number of $n.",
    ],
    [
      "a, b = 0, 1\nfor _ in range($n):\n    a, b = b, a + b\nreturn a",
      "r = [0, 1]\nwhile len(r) <= $n:\n    r.append(r[-1] + r[-2])\nreturn r[$n]",
    ],
  ),
  idea(
    "greatest common divisor",
    "gcd|greatest_divisor|common_divisor|hcf|euclid",
    { a: "positive", b: "positive" },
    [
      "@ the largest <number|whole number> that divides both $a and $b.",
      "@ the <greatest|largest|highest> common <factor|divisor> of the <numbers|integers|two numbers> $a and $b.",
      "Use Euclid's algorithm on $a and $b<| to find what divides both>.",
      "@ the <gcd|GCD> of $a and $b.",
    ],
    ["while $b:\n    $a, $b = $b, $a % $b\nreturn $a", "import math\nreturn math.gcd($a, $b)"],
  ),
  idea(
    "least common multiple",
    "lcm|common_multiple|least_multiple",
    { a: "positive", b: "positive" },
    [
      "@ the <smallest|least> number that both $a and $b divide.",
      "@ the least common multiple of $a and $b.",
    ],
    [
      "r = $a\nwhile r % $b != 0:\n    r += $a\nreturn r",
      "import math\nreturn $a * $b // math.gcd($a, $b)",
    ],
  ),
  idea(
    "prime",
    "is_prime|prime|check_prime|prime_number",
    N,
    [
      "? $n is prime.",
      "? $n has no divisors <but|other than> 1 and itself.",
      "? the number $n is <a prime|prime>.",
      "? $n is greater than 1 and no smaller number but 1 divides it.",
      "Test $n for being prime.",
      "? only 1 and $n divide $n.",
    ],
    [
      "if $n < 2:\n    return False\nfor i in range(2, $n):\n    if $n % i == 0:\n        return False\nreturn True",
      "return sum(1 for i in range(1, $n + 1) if $n % i == 0) == 2",
    ],
  ),
  idea(
    "divisors",
    "divisors|factors|divisors_of",
    { n: "positive" },
    ["@ the list of the numbers that divide $n.", "@ all divisors of $n, from 1 to $n."],
    [
      "return [i for i in range(1, $n + 1) if $n % i == 0]",
      "r = []\nfor i in range(1, $n + 1):\n    if not $n % i:\n        r.append(i)\nreturn r",
    ],
  ),
  idea(
    "number of divisors",
    "num_divisors|divisor_count|count_divisors",
    { n: "positive" },
    ["@ how many numbers divide $n.", "Count the divisors of $n."],
    [
      "return sum(1 for i in range(1, $n + 1) if $n % i == 0)",
      "return len([i for i in range(1, $n + 1) if not $n % i])",
    ],
  ),
  idea(
    "perfect square",
    "is_square|perfect_square",
    N,
    ["? $n is a <perfect square|square number>.", "? $n is the square of a whole number."],
    [
      "return any(i * i == $n for i in range($n + 1))",
      "i = 0\nwhile i * i < $n:\n    i += 1\nreturn i * i == $n",
    ],
  ),
  idea(
    "power",
    "power|raise_to|exponent|to_the",
    { x: "integer", n: "natural" },
    [
      "Raise $x to the <$n-th power|power $n|exponent $n>.",
      "@ $x <multiplied by itself $n times|raised to $n|raised to the exponent $n>.",
      "@ the $n-th power of $x.",
      "@ $x with the exponent $n.",
    ],
    ["return $x ** $n", "r = 1\nfor _ in range($n):\n    r *= $x\nreturn r"],
  ),
];
