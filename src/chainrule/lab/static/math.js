// A line of plain symbols as MathML: W1 with a low 1, xᵀ with a high T, numbers as numbers.
const NS = "http://www.w3.org/1998/Math/MathML";
const TOKEN = /([A-Za-zαℓθΣ]+?)(\d*)(ᵀ?)(?![A-Za-z\d])|\^(−?-?[\d.]+(?:e[+−-]?\d+)?)|(−?\d[\d.,]*(?:e[+−-]?\d+)?)|(\S)/gu;

function element(name, ...children) {
  const made = document.createElementNS(NS, name);
  made.append(...children);
  return made;
}

function piece(text) {
  const parts = [];
  for (const [whole, name, low, high, power, digits] of text.matchAll(TOKEN)) {
    if (power) parts.push(element("msup", parts.pop() ?? element("mrow"), element("mn", power)));
    else if (digits) parts.push(element("mn", digits));
    else if (name) {
      const base = element("mi", name);
      if (low && high) parts.push(element("msubsup", base, element("mn", low), element("mi", "T")));
      else if (low) parts.push(element("msub", base, element("mn", low)));
      else parts.push(high ? element("msup", base, element("mi", "T")) : base);
    } else {
      const sign = element("mo", whole);
      if (!parts.length && "=+·/∘←".includes(whole)) sign.setAttribute("form", "infix");
      parts.push(sign);
    }
  }
  return element("math", element("mrow", ...parts));
}

// A long sum may break before each sign, so it is a row of formulas and not one.
export function math(text) {
  const made = document.createDocumentFragment();
  for (const part of text.replaceAll("-", "−").split(/ (?=[=+←∘·/] )/)) made.append(piece(part), " ");
  return made;
}
